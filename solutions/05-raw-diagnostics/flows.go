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
	if l.Has&(HasTCP|HasUDP) == 0 {
		return
	}
	src, dst := l.Endpoints()
	flow := f.flow(at, l, src, dst)
	flow.Last = at
	side, traffic := 0, &flow.AB
	if src != flow.A {
		side, traffic = 1, &flow.BA
	}
	traffic.Packets++
	traffic.Bytes += length
	if l.Has&HasTCP != 0 {
		flow.handshake(at, l, side)
		if flow.directions[side].sent(l) {
			traffic.Retransmissions++
		}
	}
}

// All are the flows, in the order in which they began.
func (f *Flows) All() []Flow {
	all := make([]Flow, len(f.all))
	for i, flow := range f.all {
		all[i] = *flow
	}
	return all
}

// flow is the flow of a frame, which may begin with it.
func (f *Flows) flow(at time.Time, l *Layers, src, dst netip.AddrPort) *Flow {
	k := key{l.IP.Protocol, src, dst}
	if dst.Compare(src) < 0 {
		k.a, k.b = dst, src
	}
	flow := f.known[k]
	again := l.Has&HasTCP != 0 && l.TCP.Flags&(SYN|ACK) == SYN
	if flow != nil && !(again && flow.over()) {
		return flow
	}
	flow = &Flow{Protocol: l.IP.Protocol, A: src, B: dst, First: at}
	if f.known == nil {
		f.known = map[key]*Flow{}
	}
	f.known[k] = flow
	f.all = append(f.all, flow)
	return flow
}

func (flow *Flow) over() bool { return flow.directions[0].fin && flow.directions[1].fin }

// handshake times the handshake.
func (flow *Flow) handshake(at time.Time, l *Layers, side int) {
	switch l.TCP.Flags & (SYN | ACK | RST) {
	case SYN:
		if side == 0 && flow.AB.Packets == 1 {
			flow.syn = at
		} else {
			flow.syn = time.Time{}
		}
	case SYN | ACK:
		if side == 1 && !flow.syn.IsZero() {
			flow.HandshakeRTT = at.Sub(flow.syn)
			flow.syn = time.Time{}
		}
	}
	if l.TCP.Flags&RST != 0 {
		flow.directions[0].fin, flow.directions[1].fin = true, true
	}
}

// sent notes a segment and reports whether it is a retransmission. Sequence numbers
// begin again after 2^32, so which one is later is a question of the sign of their
// distance: RFC 9293, section 3.4.
func (d *direction) sent(l *Layers) bool {
	length := uint32(l.TCP.Length)
	if l.TCP.Flags&SYN != 0 {
		length++
	}
	if l.TCP.Flags&FIN != 0 {
		length++
		d.fin = true
	}
	end := l.TCP.Seq + length
	switch {
	case length == 0:
		return false
	case !d.any || int32(end-d.next) > 0:
		d.any, d.next = true, end
		return false
	}
	return !(length == 1 && l.TCP.Seq == d.next-1 && l.TCP.Flags&(SYN|FIN) == 0)
}
