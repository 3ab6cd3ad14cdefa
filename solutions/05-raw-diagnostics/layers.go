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
	HasICMP     // or ICMPv6
	HasFragment // an IP packet that is a part of one: it has a transport header only if it is the first
)

// Layers is a frame taken apart. It refers to the frame's bytes. What its Has
// does not name is left over from an earlier frame, or zero.
type Layers struct {
	Has      Has
	Ethernet Ethernet
	VLANs    [2]uint16 // tags, the outer one first: 0 is no tag
	IP       IP
	TCP      TCPHeader
	UDP      UDPHeader
	ICMP     ICMPHeader
	Payload  []byte // what follows the last header that was understood, without Ethernet's padding
}

// Ethernet is the header of a frame.
type Ethernet struct {
	Dst, Src [6]byte
	Type     uint16 // of what follows the VLAN tags
}

// IP is the header of an IPv4 or IPv6 packet.
type IP struct {
	Src, Dst netip.Addr
	Protocol Protocol // after the extension headers of IPv6
	TTL      uint8
	TOS      uint8  // or traffic class
	ID       uint32 // of IPv4, or of a fragment of IPv6
	Offset   int    // of a fragment, bytes
	More     bool   // fragments follow
	Options  []byte // of IPv4
	Length   int    // of the packet as its header says, bytes
}

// TCPHeader is RFC 9293, section 3.1.
type TCPHeader struct {
	Src, Dst uint16
	Seq, Ack uint32
	Flags    TCPFlags
	Window   uint16
	Checksum uint16
	Options  []byte
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
	Length   uint16
	Checksum uint16
}

// ICMPHeader is RFC 792 and RFC 4443.
type ICMPHeader struct {
	Type, Code uint8
	Checksum   uint16
}
