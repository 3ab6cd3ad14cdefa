// Package netlab makes private networks: hosts and routers joined by cables,
// with real kernels in all of them, and routers that a test plays itself, for
// what no kernel does on demand. It needs no root. Everything lives in
// namespaces that belong to this process, so that nothing reaches the machine's
// own network and nothing is left of it when the process ends, however it ends.
//
// # A network of real kernels
//
//	func TestMain(m *testing.M) { netlab.Main(m) } // in harness_test.go
//
//	func TestFarHostAnswers(tt *testing.T) {
//		t := labtest.Begin(tt)
//		net := netlab.Line(t, 3) // here ─── r1 ─── r2 ─── r3 ─── far
//		stats, err := rawdiag.Ping(t.Context(), net.Node("far").Addr4())
//		…
//	}
//
// The test itself, and with it the code that it judges, is the host "here": its
// sockets need nothing special. The other hosts and routers are namespaces that
// a goroutine visits with [Node.Do], or a program with [Node.Start]. Any other
// shape is made of [Net.Host], [Net.Router], [Net.Link] and [Net.Up]:
//
//	net := netlab.New(t)
//	r1, far := net.Router("r1"), net.Host("far")
//	net.Link(net.Here(), r1)
//	net.Link(r1, far)
//	net.Up() // addresses and routes, IPv4 and IPv6
//	r1.Reject(far.Addr4(), netlab.Prohibited)
//
// # A router that the test plays
//
// [Net.Scripted] puts a function behind a cable: it gets every packet that
// leaves "here" and says what comes back, and when. A [Path] is such a function
// for a row of routers that may be silent, slow, or wrong, without a namespace
// for each:
//
//	path := netlab.Path{Hops: netlab.Hops("10.1.0.1", "10.1.0.2", "10.1.0.3"), Dst: netip.MustParseAddr("10.9.9.9")}
//	path.Hops[1].Silent = true
//	net.Scripted(path.Answer)
//
// Path needs no namespace by itself: given to a connection in memory, the same
// script plays under fake time and on every platform.
//
// Where the kernel forbids namespaces, the test is not run, and the learner
// reads which command changes that.
package netlab
