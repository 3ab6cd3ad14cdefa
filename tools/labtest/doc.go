// Package labtest is what the tests of a lab are made of. A lab's test states a
// law about what goes over a socket; labtest has the scripted peers, the faults
// and the guards to try it with, and turns what they see into a verdict that a
// learner can read.
//
// # A test
//
// This is a complete one. What should hold, and why, is in the lab's lab.toml
// under the test's name; the test says only what was seen instead.
//
//	func TestEveryLineIsAnsweredOnce(tt *testing.T) {
//		t := labtest.Begin(tt)
//		t.NoLeaks()
//		t.Needs(1)
//		srv := start(t)
//
//		alice, bob := t.Dial("alice", srv), t.Dial("bob", srv)
//		alice.SendTogether(`"one"`, `"two"`)
//		bob.SendBytewise([]byte("\"three\"\n"))
//		for p, want := range map[*labtest.Peer][]string{alice: {"one", "two"}, bob: {"three"}} {
//			for _, content := range want {
//				p.Expect(labtest.Fields{"type": "echo", "content": content})
//			}
//			p.CloseWrite()
//			p.ExpectEOF()
//		}
//	}
//
// [Begin] comes first. [T.Needs] names the earlier stages that must work before
// this law can be judged; the lab's harness_test.go has a [Probe] for each. The
// function start is the harness's too: the one place that runs the learner's
// code, and stops it in a cleanup.
//
// When the law breaks, the learner reads what happened in a sentence, the law,
// why it matters, the conversation as a ladder, where to look, what to read, and
// the command that runs it again:
//
//	alice was sent echo {content:"two"}; expected {content:"one"}.
//	Every line is answered once, in order.
//	Whoever asks two things must know which answer belongs to which.
//
//	        alice                      server
//	    1     │── `"one"` ───────────────▶│
//	    2     │── same write: `"two"` ───▶│
//	    3  ✗  │◀─ echo content:"two" ─────│   expected content:"one"
//
// # Verdicts
//
// A test that ends has passed. [T.Broken] ends it with the law broken; so does
// every helper that sees something else than it was told to expect, and so do
// Errorf, Fatalf and everything in testify's require, which take a *T like a
// *testing.T. [T.NotRun] says that this machine cannot exercise the law. After
// ten seconds a watchdog ends the process with a post-mortem of the learner's
// goroutines.
//
// Under the workbook's runner the verdict goes into a file of events, and the
// process prints nothing but the judged code's own output. Under a plain
// `go test` it is printed.
//
// # Rules
//
//   - Tests run one after the other, never with Parallel.
//   - Real sockets, on ephemeral ports of 127.0.0.1. [T.Dial], [T.Peer] and
//     [T.Server] keep their connections alive until the end of the test: Go
//     closes one that nothing refers to.
//   - Nothing waits by sleeping. What should happen has [Patience] to happen;
//     what should not happen is best shown by asking a question whose answer must
//     come next, and by [Peer.ExpectNothing] only where there is no question.
//   - A call into the learner's code that could wait for ever goes through
//     [T.Returns].
//   - Time-driven logic is tested in [T.FakeTime], on connections in memory.
//   - What is random comes from [T.Rand] or a [Proxy], so that the seed which is
//     told with the failure replays it.
package labtest
