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

	ab, ba side
	asked  []time.Time // when each SYN came
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

// Flows is a table of flows. The zero value is empty and ready.
type Flows struct {
	now map[pair]int // where in all the present flow of a pair is
	all []Flow
}

type pair struct {
	protocol Protocol
	from, to netip.AddrPort
}

// A side is what is known of what one of the two sends.
type side struct {
	seen   bool
	end    uint32 // of all numbers that came
	closed bool
}

// Add counts a frame.
func (f *Flows) Add(at time.Time, l *Layers, length int) {
	tcp := l.Has&HasTCP != 0
	if !tcp && l.Has&HasUDP == 0 {
		return
	}
	src, dst := l.Endpoints()
	there, back := pair{l.IP.Protocol, src, dst}, pair{l.IP.Protocol, dst, src}
	i, known := f.now[there]
	mine := true
	if !known {
		i, known = f.now[back]
		mine = !known
	}
	opening := tcp && l.TCP.Flags&SYN != 0 && l.TCP.Flags&ACK == 0
	if known && opening && f.all[i].ab.closed && f.all[i].ba.closed {
		delete(f.now, there)
		delete(f.now, back)
		known, mine = false, true
	}
	if !known {
		if f.now == nil {
			f.now = make(map[pair]int)
		}
		i = len(f.all)
		f.now[there] = i
		f.all = append(f.all, Flow{Protocol: l.IP.Protocol, A: src, B: dst, First: at})
	}
	flow := &f.all[i]
	traffic, sender := &flow.AB, &flow.ab
	if !mine {
		traffic, sender = &flow.BA, &flow.ba
	}
	flow.Last = at
	traffic.Packets++
	traffic.Bytes += length
	if !tcp {
		return
	}
	flags := l.TCP.Flags
	switch {
	case opening && mine:
		flow.asked = append(flow.asked, at)
	case flags&(SYN|ACK|RST) == SYN|ACK && !mine && len(flow.asked) == 1 && flow.AB.Packets >= 1 && flow.HandshakeRTT == 0:
		flow.HandshakeRTT = at.Sub(flow.asked[0])
	}
	if sender.again(l) {
		traffic.Retransmissions++
	}
	if flags&FIN != 0 {
		sender.closed = true
	}
	if flags&RST != 0 {
		flow.ab.closed, flow.ba.closed = true, true
	}
}

// again notes a segment, and reports whether it brought nothing new.
func (s *side) again(l *Layers) bool {
	takes := l.TCP.Length
	for _, flag := range []TCPFlags{SYN, FIN} {
		if l.TCP.Flags&flag != 0 {
			takes++
		}
	}
	if takes == 0 {
		return false
	}
	end := l.TCP.Seq + uint32(takes)
	if ahead := end - s.end; !s.seen || ahead != 0 && ahead < 1<<31 {
		s.seen, s.end = true, end
		return false
	}
	keepAlive := l.TCP.Length == 1 && takes == 1 && end == s.end
	return !keepAlive
}

// All are the flows, in the order in which they began.
func (f *Flows) All() []Flow { return append([]Flow(nil), f.all...) }
