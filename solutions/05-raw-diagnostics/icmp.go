package rawdiag

import (
	"encoding/binary"
	"fmt"
	"net/netip"
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

// echoTypes are the types of echo request and reply: RFC 792, RFC 4443.
func echoTypes(p Protocol) (request, reply uint8) {
	if p == ICMPv6 {
		return 128, 129
	}
	return 8, 0
}

// AppendEcho appends an echo request of the given version, ICMP or ICMPv6, to b:
// RFC 792 and RFC 4443, section 4.1. The checksum of an ICMPv6 message is left 0:
// it covers the addresses, and the kernel fills it in.
func AppendEcho(b []byte, p Protocol, id, seq uint16, data []byte) []byte {
	start := len(b)
	request, _ := echoTypes(p)
	b = append(b, request, 0, 0, 0)
	b = binary.BigEndian.AppendUint16(b, id)
	b = binary.BigEndian.AppendUint16(b, seq)
	b = append(b, data...)
	if p == ICMP {
		binary.BigEndian.PutUint16(b[start+2:], Checksum(b[start:]))
	}
	return b
}

// headerSize is how long the header of an ICMP message is; the last four bytes
// of it depend on the type.
const headerSize = 8

// ParseMessage is the ICMP or ICMPv6 message that b holds, from its type on. The
// result refers to b. It is refused with
//
//   - ErrShort when it is shorter than its header, or quotes less than an IP
//     header and the 8 bytes behind it
//   - ErrChecksum when the checksum of an ICMP message is wrong; that of ICMPv6 is
//     for the kernel to check, which knows the addresses
//   - ErrMalformed when what it quotes is no packet of the same version of IP
//
// A message of a type that this package does not know is Other, and no error.
func ParseMessage(p Protocol, b []byte) (Message, error) {
	if len(b) < headerSize {
		return Message{}, fmt.Errorf("ICMP message of %d bytes: %w", len(b), ErrShort)
	}
	if p == ICMP && Checksum(b) != 0 {
		return Message{}, fmt.Errorf("ICMP message: %w", ErrChecksum)
	}
	m := Message{Kind: kind(p, b[0]), Type: b[0], Code: b[1]}
	switch m.Kind {
	case EchoRequest, EchoReply:
		m.ID, m.Seq = binary.BigEndian.Uint16(b[4:]), binary.BigEndian.Uint16(b[6:])
		m.Data = b[headerSize:]
	case TimeExceeded, Unreachable:
		quoted, extension := splitError(p, b)
		var err error
		if m.Quote, err = parseQuote(p, quoted); err != nil {
			return Message{}, fmt.Errorf("what the ICMP message quotes: %w", err)
		}
		m.Labels = parseLabels(extension)
	}
	return m, nil
}

func kind(p Protocol, typ uint8) Kind {
	request, reply := echoTypes(p)
	exceeded, unreachable := uint8(11), uint8(3)
	if p == ICMPv6 {
		exceeded, unreachable = 3, 1
	}
	switch typ {
	case request:
		return EchoRequest
	case reply:
		return EchoReply
	case exceeded:
		return TimeExceeded
	case unreachable:
		return Unreachable
	}
	return Other
}

// parseQuote reads the beginning of an IP packet. Its length field tells how long
// the packet was, and not how much of it is here.
func parseQuote(p Protocol, b []byte) (Quote, error) {
	if len(b) == 0 {
		return Quote{}, ErrShort
	}
	version := 4
	if p == ICMPv6 {
		version = 6
	}
	if int(b[0]>>4) != version {
		return Quote{}, ErrMalformed
	}
	header := 40
	if version == 4 {
		if header = int(b[0]&15) * 4; header < 20 {
			return Quote{}, ErrMalformed
		}
	}
	if len(b) < header+8 {
		return Quote{}, ErrShort
	}
	if version == 6 {
		return Quote{
			Src: netip.AddrFrom16([16]byte(b[8:])), Dst: netip.AddrFrom16([16]byte(b[24:])),
			Protocol: Protocol(b[6]), TTL: int(b[7]), Payload: b[header:],
		}, nil
	}
	return Quote{
		Src: netip.AddrFrom4([4]byte(b[12:])), Dst: netip.AddrFrom4([4]byte(b[16:])),
		Protocol: Protocol(b[9]), TTL: int(b[8]), Payload: b[header:],
	}, nil
}
