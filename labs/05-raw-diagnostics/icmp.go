package rawdiag

import (
	"errors"
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
	return b // not implemented yet (labs/05-raw-diagnostics/README.md#2-icmp-messages)
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
	return Message{}, errors.New("ParseMessage: not implemented yet (labs/05-raw-diagnostics/README.md#2-icmp-messages)")
}
