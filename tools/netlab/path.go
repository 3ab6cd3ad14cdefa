package netlab

import (
	"encoding/binary"
	"net/netip"
	"time"
)

// A Reply is a packet that a scripted router sends back.
type Reply struct {
	After time.Duration // from the moment at which the packet came that it answers
	Raw   []byte        // from the IP header on
}

// A Hop is a router of a Path.
type Hop struct {
	Addr   netip.Addr
	Silent bool          // it passes packets on and never answers
	After  time.Duration // how long its answer takes
	Times  int           // how often it sends each answer; 0 is once
	Quote  int           // how much of a packet it quotes; 0 is the header and 8 bytes
	Labels []uint32      // MPLS labels that it tells of (RFC 4950)
	Stop   Reason        // it passes nothing on, and says so

	// Answer takes the place of all of the above, if it is set.
	Answer func(probe Packet) []Reply
}

// Reason is why a router does not pass a packet on.
type Reason int

// The reasons, and what traceroute prints for them.
const (
	Passes     Reason = iota
	NoNetwork         // !N
	NoHost            // !H
	Prohibited        // !X
)

// code is the code of destination unreachable: RFC 792, 1812 and 4443.
func (r Reason) code(v6 bool) int {
	if v6 {
		return map[Reason]int{NoNetwork: 0, NoHost: 3, Prohibited: 1}[r]
	}
	return map[Reason]int{NoNetwork: 0, NoHost: 1, Prohibited: 13}[r]
}

// A Path is a row of routers and the host behind them, played by one function.
type Path struct {
	Hops []Hop
	Dst  netip.Addr
	// At is what the last host does, its Addr aside: it answers echo requests, and
	// UDP with port unreachable.
	At Hop
}

// Hops are plain routers with these addresses.
func Hops(addrs ...string) []Hop {
	hops := make([]Hop, len(addrs))
	for i, a := range addrs {
		hops[i].Addr = netip.MustParseAddr(a)
	}
	return hops
}

// Answer is what comes back for a packet. A packet to anybody else than the
// path's destination is lost.
func (p *Path) Answer(probe Packet) []Reply {
	if probe.Dst != p.Dst {
		return nil
	}
	for i := range p.Hops {
		h := &p.Hops[i]
		if probe.TTL > i+1 && h.Stop == Passes {
			continue
		}
		if h.Answer != nil {
			return h.Answer(probe)
		}
		if h.Silent {
			return nil
		}
		if h.Stop != Passes { // Linux looks for the way before it looks at the TTL
			return h.reply(Unreachable(h.Addr, quoted(probe, probe.TTL-i-1), h.Stop.code(probe.Src.Is6()), h.Quote))
		}
		return h.reply(TimeExceeded(h.Addr, quoted(probe, 1), h.Quote, h.Labels...))
	}
	switch {
	case p.At.Answer != nil:
		return p.At.Answer(probe)
	case p.At.Silent:
		return nil
	}
	if raw := EchoReply(probe); raw != nil {
		return p.At.reply(raw)
	}
	if probe.Protocol == UDP {
		port := 3
		if probe.Src.Is6() {
			port = 4
		}
		return p.At.reply(Unreachable(p.Dst, quoted(probe, probe.TTL-len(p.Hops)), port, p.At.Quote))
	}
	return nil
}

func (h *Hop) reply(raw []byte) []Reply {
	replies := make([]Reply, max(h.Times, 1))
	for i := range replies {
		replies[i] = Reply{After: h.After, Raw: raw}
	}
	return replies
}

// quoted is the packet as a router on its way sees it: with a smaller TTL, and
// an IPv4 header checksum to match.
func quoted(probe Packet, ttl int) Packet {
	raw := append([]byte(nil), probe.Raw...)
	if probe.Src.Is6() {
		raw[7] = byte(ttl)
	} else {
		raw[8] = byte(ttl)
		raw[10], raw[11] = 0, 0
		binary.BigEndian.PutUint16(raw[10:], ^sum(0, raw[:len(raw)-len(probe.Payload)]))
	}
	probe.TTL, probe.Raw = ttl, raw
	return probe
}

// TimeExceeded is what a router sends that a packet's TTL ended at. quote is how
// much of the packet it quotes, 0 for the header and 8 bytes. Labels are told in
// an extension of RFC 4884 and 4950, for which the quote is made 128 bytes long.
func TimeExceeded(from netip.Addr, probe Packet, quote int, labels ...uint32) []byte {
	kind := 11
	if from.Is6() {
		kind = 3
	}
	return problem(from, probe, kind, 0, quote, labels)
}

// Unreachable is what a router or a host sends that cannot deliver a packet.
func Unreachable(from netip.Addr, probe Packet, code, quote int) []byte {
	kind := 3
	if from.Is6() {
		kind = 1
	}
	return problem(from, probe, kind, code, quote, nil)
}

func problem(from netip.Addr, probe Packet, kind, code, quote int, labels []uint32) []byte {
	if quote == 0 {
		quote = len(probe.Raw) - len(probe.Payload) + 8
	}
	rest := append(make([]byte, 4), probe.Raw[:min(quote, len(probe.Raw))]...)
	if len(labels) > 0 {
		const padded = 128
		rest = append(rest[:min(len(rest), 4+padded)], make([]byte, max(0, 4+padded-len(rest)))...)
		if from.Is6() {
			rest[0] = padded / 8
		} else {
			rest[1] = padded / 4
		}
		object := []byte{0, byte(4 + 4*len(labels)), 1, 1} // length, class MPLS, incoming stack
		for i, label := range labels {
			entry := label<<12 | 1 // TTL 1
			if i == len(labels)-1 {
				entry |= 1 << 8 // the bottom of the stack
			}
			object = binary.BigEndian.AppendUint32(object, entry)
		}
		extension := append([]byte{2 << 4, 0, 0, 0}, object...)
		binary.BigEndian.PutUint16(extension[2:], ^sum(0, extension))
		rest = append(rest, extension...)
	}
	return BuildICMP(from, probe.Src, kind, code, rest)
}

// EchoReply is the answer to an echo request, and nil if the packet is none.
func EchoReply(probe Packet) []byte {
	request, reply := 8, 0
	if probe.Protocol == ICMPv6 {
		request, reply = 128, 129
	}
	if probe.Protocol != ICMP && probe.Protocol != ICMPv6 || len(probe.Payload) < 8 || int(probe.Payload[0]) != request {
		return nil
	}
	return BuildICMP(probe.Dst, probe.Src, reply, 0, probe.Payload[4:])
}
