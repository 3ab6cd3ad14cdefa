package tcpserver_test

import (
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	tcpserver "workbook.example/labs/02-tcp-server"
	"workbook.example/tools/labtest"
)

func TestLogoutIsAnsweredAndEnds(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	srv := start(t)
	alice := member(t, srv, "alice")
	alice.SendJSON(msg{"type": "logout", "id": "bye"})
	alice.Expect(msg{"type": "logout_response", "success": true, "id": "bye", "message": labtest.NonEmpty})
	alice.ExpectEOF()
	// A stranger may say goodbye too.
	stranger := t.Dial("stranger", srv.Addr())
	stranger.SendJSON(msg{"type": "logout"})
	stranger.Expect(msg{"type": "logout_response", "success": true})
	stranger.ExpectEOF()
}

func TestLogoutIsAnnouncedOnce(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	srv := start(t)
	alice, bob := member(t, srv, "alice"), member(t, srv, "bob")
	alice.Expect(msg{"type": "joined", "username": "bob"})
	bob.SendJSON(msg{"type": "logout"})
	bob.Expect(msg{"type": "logout_response"})
	bob.ExpectEOF()
	bob.Close()
	alice.Expect(msg{"type": "left", "username": "bob"})
	nothingElse(alice)
	login(t.Dial("second bob", srv.Addr()), "bob")
	alice.Expect(msg{"type": "joined", "username": "bob"})
	nothingElse(alice)
}

func TestLogoutReplySurvivesPipelinedInput(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	srv := start(t)
	// What the server leaves unread when it closes turns its close into a
	// reset, which can overtake the answer. Whether it does is a race: hence
	// the many tries.
	afterwards := strings.Repeat(`{"type":"chat","content":"one more thing"}`+"\n", 2000)
	for try := range 40 {
		p := t.Dial(fmt.Sprintf("try%d", try+1), srv.Addr())
		p.SendRaw([]byte(loginAs(p.Name()) + "\n" + `{"type":"logout"}` + "\n" + afterwards))
		p.Await(msg{"type": "logout_response"})
		p.ExpectEOF()
		p.Close()
	}
}

func TestClientMayFinishWhatItIsSending(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	srv := start(t)
	// More than the kernels keep for a server that does not read: sending it
	// fails, halfway through, if the server closes at the logout.
	afterwards := strings.Repeat(`{"type":"chat","content":"one more thing"}`+"\n", 8000)
	for try := range 5 {
		p := t.Dial(fmt.Sprintf("try%d", try+1), srv.Addr())
		p.Conn().(*net.TCPConn).SetWriteBuffer(16 << 10)
		p.SendRaw([]byte(loginAs(p.Name()) + "\n" + `{"type":"logout"}` + "\n" + afterwards))
		p.Await(msg{"type": "logout_response"})
		p.ExpectEOF()
		p.Close()
	}
}

func TestHalfCloseStillGetsItsAnswers(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	srv := startNarrow(t)
	// As in: printf '…' | nc -N
	alice := t.Dial("alice", srv.Addr())
	alice.SendTogether(loginAs("alice"), `{"type":"chat","content":"hi","id":1}`, `{"type":"dance","id":2}`)
	alice.CloseWrite()
	alice.Expect(msg{"type": "login_response", "success": true})
	alice.Expect(msg{"type": "chat_response", "id": 1})
	alice.Expect(msg{"type": "error", "id": 2})
	alice.ExpectEOF()

	// The same of one for whom much is still waiting.
	bob, carol := member(t, srv, "bob"), member(t, srv, "carol")
	queueFor(t, srv, carol)
	bob.SendJSON(msg{"type": "dance", "id": 3})
	bob.CloseWrite()
	for id := range 3 { // so that the server has seen bob's end before he reads
		carol.SendJSON(msg{"type": "dance", "id": id})
		carol.Await(msg{"type": "error", "id": id})
	}
	expectQueued(t, bob, "ended his side")
	bob.Await(msg{"type": "error", "id": 3})
	bob.AwaitClosed()
}

func TestWhatWasQueuedComesBeforeTheEnd(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	srv := startNarrow(t)
	bob, carol := member(t, srv, "bob"), member(t, srv, "carol")
	queueFor(t, srv, carol)
	bob.SendJSON(msg{"type": "logout"})
	expectQueued(t, bob, "logged out")
	bob.Await(msg{"type": "logout_response"})
	bob.ExpectEOF()
}

// queued is how many chat messages of 8 KiB wait for a client after queueFor:
// 720 KiB, more than the kernel takes.
const queued = 90

// queueFor has a new client say so much that it waits, in the server, for
// everybody who does not look; witness, who looks, knows when.
func queueFor(t *labtest.T, srv *testServer, witness *labtest.Peer) {
	t.Helper()
	talker := member(t, srv, "talker")
	text := strings.Repeat("x", 8<<10)
	for i := range queued {
		talker.SendJSON(msg{"type": "chat", "content": fmt.Sprint(i, " ", text)})
	}
	for range queued {
		witness.Await(msg{"type": "chat_message"})
	}
}

// expectQueued reads what queueFor has left for p, in order.
func expectQueued(t *labtest.T, p *labtest.Peer, didWhat string) {
	t.Helper()
	for i := range queued {
		m := p.Await(msg{"type": "chat_message"})
		if !strings.HasPrefix(m.String("content"), fmt.Sprint(i, " ")) {
			t.Broken("bob %s while %d messages waited for him, and was sent number %.5s where %d comes next.", didWhat, queued, m.String("content"), i)
		}
	}
}

func TestRefusalArrivesBeforeTheEnd(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	srv := start(t)
	for try := range 20 {
		p := t.Dial(fmt.Sprintf("long%d", try+1), srv.Addr())
		p.SendRaw([]byte(strings.Repeat("x", 4*tcpserver.MaxFrame)))
		p.Expect(msg{"type": "error", "code": tcpserver.CodeTooLong})
		p.ExpectEOF()
		p.Close()
	}
}

func TestEndWaitsForNobodyForEver(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	srv := startNarrow(t, func(s *tcpserver.Server) { s.CloseTimeout = 100 * time.Millisecond })
	alice := member(t, srv, "alice")
	// These three never close their side: one is silent, one sends and sends,
	// one does not even read what waits for it.
	silent, talker, deaf := member(t, srv, "silent"), member(t, srv, "talker"), member(t, srv, "deaf")
	deaf.StopReading()
	const waiting = 40
	for range waiting {
		alice.SendJSON(msg{"type": "chat", "content": strings.Repeat("x", 16<<10)})
	}
	for range waiting {
		silent.Await(msg{"type": "chat_message"})
		talker.Await(msg{"type": "chat_message"})
	}
	for _, p := range []*labtest.Peer{silent, talker, deaf} {
		p.SendJSON(msg{"type": "logout"})
	}
	for _, p := range []*labtest.Peer{silent, talker} {
		p.Await(msg{"type": "logout_response"})
		p.AwaitClosed()
	}
	// When the server has really closed, and not only said so, whatever is
	// sent to it is answered with a reset, and then sending fails.
	for _, p := range []*labtest.Peer{silent, talker, deaf} {
		t.Eventually(fmt.Sprintf("That the server closes its connection to %s", p.Name()), func() bool {
			p.Conn().SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
			_, err := p.Conn().Write([]byte("{\"type\":\"ping\"}\n"))
			return err != nil && !isTimeout(err)
		})
	}
	nothingElse(member(t, srv, "bob"))
}

func TestEndIsNoErrorInTheLog(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	srv := start(t)
	alice, bob := member(t, srv, "alice"), member(t, srv, "bob")
	alice.Expect(msg{"type": "joined", "username": "bob"})
	alice.SendJSON(msg{"type": "logout"})
	alice.Expect(msg{"type": "logout_response"})
	alice.ExpectEOF()
	alice.Close()
	bob.Expect(msg{"type": "left", "username": "alice"})
	bob.CloseWrite()
	bob.ExpectEOF()
	bob.Close()
	for _, name := range []string{"alice", "bob"} {
		t.Eventually(fmt.Sprintf("That %s's name is free again", name), func() bool { return isFree(srv, name) })
	}
	for line := range strings.Lines(srv.log.String()) {
		if strings.Contains(line, "level=ERROR") || strings.Contains(line, "level=WARN") {
			t.Broken("Clients came and went in good order, and the log complains: %s", line)
		}
	}
}

func TestEndedConnectionsLeaveNothingBehind(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	srv := start(t)
	// What your server keeps for itself, it has after its first client.
	first := member(t, srv, "first")
	first.SendJSON(msg{"type": "logout"})
	first.Await(msg{"type": "logout_response"})
	first.ExpectEOF()
	first.Close()
	t.NoLeaks()
	for i := range 10 {
		p := member(t, srv, fmt.Sprintf("guest%d", i+1))
		switch i % 3 {
		case 0:
			p.SendJSON(msg{"type": "logout"})
			p.Await(msg{"type": "logout_response"})
			p.ExpectEOF()
		case 1:
			p.CloseWrite()
			p.ExpectEOF()
		}
		p.Close()
	}
}
