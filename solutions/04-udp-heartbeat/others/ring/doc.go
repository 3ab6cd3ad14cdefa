// Package udpheartbeat tells over UDP who is still there. Senders beat; a
// monitor listens, answers, and says of each of them whether it is alive,
// suspect or dead.
//
// UDP promises nothing: a datagram may be lost, come twice, late, or from
// somebody else. And no program can tell a machine that crashed from one that is
// slow: all it ever sees is silence. What it can do is to be wrong seldom, and
// to know how seldom.
//
// The package is built in eight stages, a concept a file:
//
//	wire.go                1  the wire format: bytes that a stranger may have made
//	sender.go              2  the sender: beats in time
//	window.go, receive.go  3  the receiver: lost, late, twice
//	rtt.go                 4  round-trip time
//	timeout.go             5  a detector: silence for too long
//	phi.go                 6  a detector that learns: phi accrual
//	swim.go                7  detectors that ask each other: SWIM
//	monitor.go             8  the monitor
//
// message.go, detector.go, gossip.go and peer.go are finished; they hold what
// the stages share.
package udpheartbeat
