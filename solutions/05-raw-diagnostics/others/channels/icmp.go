package rawdiag

import (
	"encoding/binary"
	"fmt"
	"net/netip"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"
)

// Kind is what an ICMP message says, in either version of IP.
type Kind int

// The kinds that this package knows.
const (
	Other        Kind = iota
	EchoRequest       // is anybody there?
	EchoReply         // yes
	TimeExceeded      // a packet's TTL ended on the way
	Unreachable       // a packet could not be delivered
)

// A Message is an ICMP or ICMPv6 message.
type Message struct {
	Kind       Kind
	Type, Code uint8 // as on the wire

	ID, Seq uint16 // echo requests and replies
	Data    []byte // echo requests and replies

	Quote  Quote   // time exceeded and unreachable: what they are about
	Labels []Label // time exceeded and unreachable: MPLS labels of the quoted packet, RFC 4950
}

// A Quote is the beginning of the packet that an ICMP error is about, as far as
// the router sent it back.
type Quote struct {
	Src, Dst netip.Addr
	Protocol Protocol
	TTL      int    // that it had at the router
	Payload  []byte // what follows the IP header: 8 bytes or more
}

// A Label is an entry of an MPLS label stack, RFC 3032.
type Label struct {
	Label uint32 // 20 bits
	TTL   uint8
}

// AppendEcho appends an echo request to b.
func AppendEcho(b []byte, p Protocol, id, seq uint16, data []byte) []byte {
	m := icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: int(id), Seq: int(seq), Data: data}}
	if p == ICMPv6 {
		m.Type = ipv6.ICMPTypeEchoRequest
	}
	message, err := m.Marshal(nil)
	if err != nil {
		return b
	}
	return append(b, message...)
}

var kinds = map[Protocol]map[uint8]Kind{
	ICMP:   {8: EchoRequest, 0: EchoReply, 11: TimeExceeded, 3: Unreachable},
	ICMPv6: {128: EchoRequest, 129: EchoReply, 3: TimeExceeded, 1: Unreachable},
}

// ParseMessage is the message that b holds.
func ParseMessage(p Protocol, b []byte) (m Message, err error) {
	switch {
	case len(b) < 8:
		return m, ErrShort
	case p == ICMP && Checksum(b) != 0:
		return m, ErrChecksum
	}
	m.Kind, m.Type, m.Code = kinds[p][b[0]], b[0], b[1]
	switch m.Kind {
	case EchoRequest, EchoReply:
		m.ID, m.Seq, m.Data = binary.BigEndian.Uint16(b[4:6]), binary.BigEndian.Uint16(b[6:8]), b[8:]
	case TimeExceeded, Unreachable:
		quote, extension := splitError(p, b)
		if p == ICMP {
			m.Quote, err = quote4(quote)
		} else {
			m.Quote, err = quote6(quote)
		}
		if err != nil {
			return Message{}, fmt.Errorf("a quote of %d bytes: %w", len(quote), err)
		}
		m.Labels = parseLabels(extension)
	}
	return m, nil
}

func quote4(b []byte) (q Quote, err error) {
	if len(b) == 0 {
		return q, ErrShort
	}
	length := int(b[0]%16) * 4
	switch {
	case b[0]/16 != 4 || length < ipv4.HeaderLen:
		return q, ErrMalformed
	case len(b) < length+8:
		return q, ErrShort
	}
	src, _ := netip.AddrFromSlice(b[12:16])
	dst, _ := netip.AddrFromSlice(b[16:20])
	return Quote{src, dst, Protocol(b[9]), int(b[8]), b[length:]}, nil
}

func quote6(b []byte) (q Quote, err error) {
	switch {
	case len(b) == 0:
		return q, ErrShort
	case b[0]/16 != 6:
		return q, ErrMalformed
	case len(b) < ipv6.HeaderLen+8:
		return q, ErrShort
	}
	h, err := ipv6.ParseHeader(b)
	if err != nil {
		return q, ErrMalformed
	}
	src, _ := netip.AddrFromSlice(h.Src)
	dst, _ := netip.AddrFromSlice(h.Dst)
	return Quote{src, dst, Protocol(h.NextHeader), h.HopLimit, b[ipv6.HeaderLen:]}, nil
}
