package rawdiag

import "net/netip"

// Has says which layers a frame has: a sum of the constants below.
type Has uint16

// The layers.
const (
	HasEthernet Has = 1 << iota
	HasVLAN
	HasIPv4
	HasIPv6
	HasTCP
	HasUDP
	HasICMP // or ICMPv6
	// HasFragment is an IP packet that is only a part of one. Only the first part
	// has a transport header.
	HasFragment
)

// Layers is a frame taken apart. It refers to the frame's bytes. What its Has
// does not name is left over from an earlier frame, or zero; VLANs are always this one's.
type Layers struct {
	Has      Has
	Ethernet Ethernet
	VLANs    [2]uint16 // identifiers of the tags, the outer one first; 0 where there is none
	IP       IP
	TCP      TCPHeader
	UDP      UDPHeader
	ICMP     ICMPHeader

	// Payload is what follows the last header that was understood, as far as it was
	// captured, without the padding that Ethernet adds to short frames.
	Payload []byte
}

// Ethernet is the header of a frame, IEEE 802.3.
type Ethernet struct {
	Dst, Src [6]byte
	Type     uint16 // of what follows the VLAN tags
}

// The types of frames that this package knows.
const (
	TypeIPv4 = 0x0800
	TypeIPv6 = 0x86dd
	TypeVLAN = 0x8100 // a customer's tag, IEEE 802.1Q
	TypeQinQ = 0x88a8 // a service provider's tag, IEEE 802.1ad
)

// IP is the header of an IPv4 packet, RFC 791, or an IPv6 packet, RFC 8200.
type IP struct {
	Src, Dst netip.Addr
	Protocol Protocol // IPv6: after the extension headers
	TTL      uint8    // or hop limit
	Offset   int      // of a fragment, bytes
	More     bool     // fragments follow
	Options  []byte   // IPv4
	Length   int      // of the whole packet, as its header says, bytes
}

// TCPHeader is RFC 9293, section 3.1.
type TCPHeader struct {
	Src, Dst uint16
	Seq, Ack uint32
	Flags    TCPFlags
	Window   uint16
	Options  []byte
	Length   int // of the data that follows, as the IP header says: not all may be captured
}

// TCPFlags are the control bits.
type TCPFlags uint8

// The control bits.
const (
	FIN TCPFlags = 1 << iota
	SYN
	RST
	PSH
	ACK
	URG
	ECE
	CWR
)

// UDPHeader is RFC 768.
type UDPHeader struct {
	Src, Dst uint16
	Length   int // of header and data, bytes, as it says
}

// ICMPHeader is RFC 792 or RFC 4443.
type ICMPHeader struct {
	Type, Code uint8
}

// Endpoints are the sender and the receiver of what a frame carries, with ports if it
// has any.
func (l *Layers) Endpoints() (src, dst netip.AddrPort) {
	var from, to uint16
	switch {
	case l.Has&HasTCP != 0:
		from, to = l.TCP.Src, l.TCP.Dst
	case l.Has&HasUDP != 0:
		from, to = l.UDP.Src, l.UDP.Dst
	}
	return netip.AddrPortFrom(l.IP.Src, from), netip.AddrPortFrom(l.IP.Dst, to)
}
