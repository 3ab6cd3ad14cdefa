package rawdiag

import (
	"encoding/binary"
	"net/netip"
)

// Decode takes an Ethernet frame apart: up to two VLAN tags, IPv4 with its options,
// IPv6 with its extension headers, and TCP, UDP or ICMP. It takes no memory, keeps
// nothing but references to frame, and never panics, whatever the frame holds.
//
// What it does not know is no error: it is the Payload. A frame that ends within a
// header gives ErrShort, one with a length that cannot be gives ErrMalformed; l then
// has the layers before that. A frame may have been captured in part: data that is
// missing behind the last header is no error.
func Decode(frame []byte, l *Layers) error {
	l.Has = 0
	l.Payload = frame
	if len(frame) < 14 {
		return ErrShort
	}
	l.Has = HasEthernet
	l.Ethernet = Ethernet{Dst: [6]byte(frame[0:]), Src: [6]byte(frame[6:]), Type: binary.BigEndian.Uint16(frame[12:])}
	l.Payload = frame[14:]
	l.VLANs = [2]uint16{}
	for i := 0; i < len(l.VLANs) && (l.Ethernet.Type == TypeVLAN || l.Ethernet.Type == TypeQinQ); i++ {
		if len(l.Payload) < 4 {
			return ErrShort
		}
		l.Has |= HasVLAN
		l.VLANs[i] = binary.BigEndian.Uint16(l.Payload) & 0xfff
		l.Ethernet.Type = binary.BigEndian.Uint16(l.Payload[2:])
		l.Payload = l.Payload[4:]
	}
	switch l.Ethernet.Type {
	case TypeIPv4:
		return l.ipv4()
	case TypeIPv6:
		return l.ipv6()
	}
	return nil
}

func (l *Layers) ipv4() error {
	b := l.Payload
	if len(b) < 20 {
		return ErrShort
	}
	header, length := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if b[0]>>4 != 4 || header < 20 || length < header {
		return ErrMalformed
	}
	if len(b) < header {
		return ErrShort
	}
	fragment := binary.BigEndian.Uint16(b[6:])
	l.Has |= HasIPv4
	l.IP = IP{
		Src: netip.AddrFrom4([4]byte(b[12:])), Dst: netip.AddrFrom4([4]byte(b[16:])),
		Protocol: Protocol(b[9]), TTL: b[8], Options: b[20:header], Length: length,
		Offset: int(fragment&0x1fff) * 8, More: fragment&0x2000 != 0,
	}
	l.Payload = b[header:min(length, len(b))]
	return l.transport(length - header)
}

// The extension headers of IPv6 that this package passes over: RFC 8200, section 4.
const (
	hopByHop           = 0
	routing            = 43
	fragmentHeader     = 44
	destinationOptions = 60
)

func (l *Layers) ipv6() error {
	b := l.Payload
	if len(b) < 40 {
		return ErrShort
	}
	if b[0]>>4 != 6 {
		return ErrMalformed
	}
	left := int(binary.BigEndian.Uint16(b[4:])) // bytes that follow, as it says
	l.Has |= HasIPv6
	l.IP = IP{
		Src: netip.AddrFrom16([16]byte(b[8:])), Dst: netip.AddrFrom16([16]byte(b[24:])),
		Protocol: Protocol(b[6]), TTL: b[7], Length: 40 + left,
	}
	l.Payload = b[40:min(40+left, len(b))]
	for {
		switch l.IP.Protocol {
		case hopByHop, routing, destinationOptions, fragmentHeader:
		default:
			return l.transport(left)
		}
		if left < 8 {
			return ErrMalformed
		}
		if len(l.Payload) < 8 {
			return ErrShort
		}
		b, header := l.Payload, 8
		if l.IP.Protocol == fragmentHeader {
			offset := binary.BigEndian.Uint16(b[2:])
			l.IP.Offset, l.IP.More = int(offset&^7), offset&1 != 0
		} else {
			header += int(b[1]) * 8
		}
		if left < header {
			return ErrMalformed
		}
		if len(b) < header {
			return ErrShort
		}
		l.IP.Protocol = Protocol(b[0])
		l.Payload = b[header:]
		left -= header
		if l.IP.Offset > 0 { // what follows is the middle of something
			return l.transport(left)
		}
	}
}

// transport takes apart what an IP packet carries: left bytes, as its header says,
// of which the payload may have fewer.
func (l *Layers) transport(left int) error {
	if l.IP.Offset > 0 || l.IP.More {
		l.Has |= HasFragment
	}
	if l.IP.Offset > 0 {
		return nil
	}
	b := l.Payload
	need := leastHeader(l.IP.Protocol)
	if need == 0 {
		return nil
	}
	if left < need {
		return ErrMalformed
	}
	if len(b) < need {
		return ErrShort
	}
	switch l.IP.Protocol {
	case TCP:
		header := int(b[12]>>4) * 4
		if header < need || header > left {
			return ErrMalformed
		}
		if header > len(b) {
			return ErrShort
		}
		l.Has |= HasTCP
		l.TCP = TCPHeader{
			Src: binary.BigEndian.Uint16(b), Dst: binary.BigEndian.Uint16(b[2:]),
			Seq: binary.BigEndian.Uint32(b[4:]), Ack: binary.BigEndian.Uint32(b[8:]),
			Flags: TCPFlags(b[13]), Window: binary.BigEndian.Uint16(b[14:]),
			Options: b[20:header], Length: left - header,
		}
		l.Payload = b[header:]
	case UDP:
		length := int(binary.BigEndian.Uint16(b[4:]))
		if length < need || length > left && l.Has&HasFragment == 0 {
			return ErrMalformed
		}
		l.Has |= HasUDP
		l.UDP = UDPHeader{Src: binary.BigEndian.Uint16(b), Dst: binary.BigEndian.Uint16(b[2:]), Length: length}
		l.Payload = b[need:min(length, len(b))]
	default:
		l.Has |= HasICMP
		l.ICMP = ICMPHeader{Type: b[0], Code: b[1]}
		l.Payload = b[need:]
	}
	return nil
}

// leastHeader is how long the header of a transport protocol is at least, and 0 of one
// that this package does not know.
func leastHeader(p Protocol) int {
	switch p {
	case TCP:
		return 20
	case UDP, ICMP, ICMPv6:
		return 8
	}
	return 0
}
