package rawdiag

import (
	"net/netip"
	"time"
)

// A Flow is a conversation of two endpoints, in both directions.
type Flow struct {
	Protocol Protocol
	A, B     netip.AddrPort // A is who spoke first
	First    time.Time
	Last     time.Time
	AB, BA   Traffic // from A to B, and from B to A

	HandshakeRTT    time.Duration // TCP: from SYN to SYN-ACK; 0 if not seen
	Retransmissions int           // TCP: segments that were sent again
}

// Traffic is what went in one direction.
type Traffic struct {
	Packets int
	Bytes   int // of whole frames, as on the wire
}

// Flows is a table of flows. The zero value is empty and ready.
type Flows struct{}

// Add counts a frame that was length bytes long on the wire.
func (f *Flows) Add(at time.Time, l *Layers, length int) {
	// not implemented yet (labs/05-raw-diagnostics/README.md#9-analysis)
}

// All are the flows, in the order in which they began.
func (f *Flows) All() []Flow { return nil }
