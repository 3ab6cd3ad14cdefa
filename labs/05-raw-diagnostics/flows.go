package rawdiag

import (
	"net/netip"
	"time"
)

// A Flow is a conversation of two endpoints over TCP or UDP, in both directions.
type Flow struct {
	Protocol    Protocol
	A, B        netip.AddrPort // A is who spoke first
	First, Last time.Time      // of its frames
	AB, BA      Traffic        // from A to B, and from B to A

	// HandshakeRTT is the time from the SYN of A to the SYN-ACK of B, as seen where
	// the frames were captured. It is 0 if one of them was not seen, and if a SYN
	// was sent again: nobody knows then which one was answered (that is Karn's
	// argument, RFC 6298, section 3).
	HandshakeRTT time.Duration

	directions [2]direction // A's and B's
	syn        time.Time
}

// Traffic is what went in one direction.
type Traffic struct {
	Packets int
	Bytes   int // of whole frames, as on the wire

	// Retransmissions are TCP segments with data, SYN or FIN that end no later than
	// another one did that came before them in this direction. One that was only
	// overtaken on its way counts as well: a capture cannot tell. A keep-alive is
	// none: it repeats one byte, or nothing, just before what comes next (RFC 9293,
	// section 3.8.4).
	Retransmissions int
}

// Flows is a table of flows. The zero value is empty and ready. It remembers every
// flow, so whoever captures for days empties it now and then.
type Flows struct {
	known map[key]*Flow
	all   []*Flow
}

// key is a flow, whoever speaks: the smaller endpoint is first.
type key struct {
	protocol Protocol
	a, b     netip.AddrPort
}

// direction is what is known of the bytes that one side of a TCP connection sent.
type direction struct {
	next uint32 // the sequence number after all that was seen
	any  bool
	fin  bool
}

// Add counts a frame that was length bytes long on the wire. What carries neither TCP
// nor UDP, and fragments without their header, are not counted. A SYN after the
// connection has ended, in both directions or by a RST, begins a flow of its own.
func (f *Flows) Add(at time.Time, l *Layers, length int) {
	// not implemented yet (labs/05-raw-diagnostics/README.md#9-analysis)
}

// All are the flows, in the order in which they began.
func (f *Flows) All() []Flow {
	return nil // not implemented yet (labs/05-raw-diagnostics/README.md#9-analysis)
}
