package netlab

import (
	"encoding/binary"
	"errors"
	"net/netip"
)

// The protocols that packets here carry.
const (
	ICMP   = 1
	TCP    = 6
	UDP    = 17
	ICMPv6 = 58
)

// A Packet is an IP packet, taken apart as far as a router looks.
type Packet struct {
	Raw      []byte // all of it, from the IP header on
	Src, Dst netip.Addr
	Protocol int
	TTL      int    // or hop limit
	Payload  []byte // what follows the IP header
}

var errShort = errors.New("a packet that is shorter than it says")

// ParsePacket takes an IPv4 or IPv6 packet apart. Extension headers of IPv6 are
// taken for the payload.
func ParsePacket(b []byte) (Packet, error) {
	if len(b) < 20 {
		return Packet{}, errShort
	}
	if b[0]>>4 == 6 {
		if len(b) < 40 {
			return Packet{}, errShort
		}
		end := 40 + int(binary.BigEndian.Uint16(b[4:]))
		if end > len(b) {
			return Packet{}, errShort
		}
		return Packet{
			Raw: b[:end], Src: netip.AddrFrom16([16]byte(b[8:24])), Dst: netip.AddrFrom16([16]byte(b[24:40])),
			Protocol: int(b[6]), TTL: int(b[7]), Payload: b[40:end],
		}, nil
	}
	header, end := int(b[0]&15)*4, int(binary.BigEndian.Uint16(b[2:]))
	if header < 20 || header > end || end > len(b) {
		return Packet{}, errShort
	}
	return Packet{
		Raw: b[:end], Src: netip.AddrFrom4([4]byte(b[12:16])), Dst: netip.AddrFrom4([4]byte(b[16:20])),
		Protocol: int(b[9]), TTL: int(b[8]), Payload: b[header:end],
	}, nil
}

// Build makes an IP packet around a payload whose checksum it leaves alone.
func Build(src, dst netip.Addr, protocol, ttl int, payload []byte) []byte {
	if src.Is6() {
		b := make([]byte, 40, 40+len(payload))
		b[0] = 6 << 4
		binary.BigEndian.PutUint16(b[4:], uint16(len(payload)))
		b[6], b[7] = byte(protocol), byte(ttl)
		copy(b[8:], src.AsSlice())
		copy(b[24:], dst.AsSlice())
		return append(b, payload...)
	}
	b := make([]byte, 20, 20+len(payload))
	b[0] = 4<<4 | 5
	binary.BigEndian.PutUint16(b[2:], uint16(20+len(payload)))
	b[8], b[9] = byte(ttl), byte(protocol)
	copy(b[12:], src.AsSlice())
	copy(b[16:], dst.AsSlice())
	binary.BigEndian.PutUint16(b[10:], ^sum(0, b))
	return append(b, payload...)
}

// BuildICMP makes the IP packet of an ICMP or ICMPv6 message: type, code, and
// what follows the checksum.
func BuildICMP(src, dst netip.Addr, kind, code int, rest []byte) []byte {
	message := append([]byte{byte(kind), byte(code), 0, 0}, rest...)
	SetChecksum(src, dst, message)
	if src.Is6() {
		return Build(src, dst, ICMPv6, 64, message)
	}
	return Build(src, dst, ICMP, 64, message)
}

// SetChecksum writes the checksum that an ICMP or ICMPv6 message needs between
// two hosts.
func SetChecksum(src, dst netip.Addr, message []byte) {
	message[2], message[3] = 0, 0
	start := uint16(0)
	if src.Is6() {
		start = pseudo(src, dst, ICMPv6, len(message))
	}
	binary.BigEndian.PutUint16(message[2:], ^sum(start, message))
}

// pseudo is the sum over the pseudo header of RFC 8200, section 8.1.
func pseudo(src, dst netip.Addr, protocol, length int) uint16 {
	start := sum(0, src.AsSlice())
	start = sum(start, dst.AsSlice())
	return sum(start, []byte{byte(length >> 24), byte(length >> 16), byte(length >> 8), byte(length), 0, 0, 0, byte(protocol)})
}

// sum adds b to a ones' complement sum; see RFC 1071.
func sum(start uint16, b []byte) uint16 {
	total := uint32(start)
	for i := 0; i+1 < len(b); i += 2 {
		total += uint32(b[i])<<8 | uint32(b[i+1])
	}
	if len(b)%2 == 1 {
		total += uint32(b[len(b)-1]) << 8
	}
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return uint16(total)
}

// FixHeader writes the header checksum of an IPv4 packet anew, after a change of its
// header.
func FixHeader(packet []byte) {
	packet[10], packet[11] = 0, 0
	binary.BigEndian.PutUint16(packet[10:], ^sum(0, packet[:int(packet[0]&15)*4]))
}
