package rawdiag

import (
	"encoding/binary"
	"net/netip"
)

// Checksum is the Internet checksum of b, RFC 1071: the ones' complement of the
// ones' complement sum of its 16-bit words, the higher byte first. An odd byte at
// the end is the higher byte of a last word. Over bytes that hold their own right
// checksum it is 0.
func Checksum(b []byte) uint16 { return ^fold(sum(0, b)) }

// TransportChecksum is the checksum of a TCP, UDP or ICMPv6 segment, which covers
// the addresses as well: they, the segment's length and the protocol precede it
// as a pseudo header. See RFC 9293, section 3.1, RFC 768, and for IPv6 RFC 8200,
// section 8.1. Both addresses are IPv4, or both IPv6.
//
// A segment that holds its own right checksum gives 0.
func TransportChecksum(src, dst netip.Addr, p Protocol, segment []byte) uint16 {
	total := sum(0, src.AsSlice())
	total = sum(total, dst.AsSlice())
	total += uint64(len(segment)) + uint64(p)
	return ^fold(sum(total, segment))
}

// Update is the checksum of bytes whose checksum was sum, after one of their
// 16-bit words changed from before to after: RFC 1624, equation 3. A router does
// this for each packet, since the TTL changes.
func Update(sum, before, after uint16) uint16 {
	return ^fold(uint64(^sum) + uint64(^before) + uint64(after))
}

// sum adds the words of b to total. 64 bits have room for the carries of more
// bytes than there are in memory.
func sum(total uint64, b []byte) uint64 {
	for ; len(b) >= 8; b = b[8:] {
		w := binary.BigEndian.Uint64(b)
		total += w>>32 + w&0xffffffff // 2^16 is 1 here, and so is 2^32
	}
	for ; len(b) >= 2; b = b[2:] {
		total += uint64(binary.BigEndian.Uint16(b))
	}
	if len(b) == 1 {
		total += uint64(b[0]) << 8
	}
	return total
}

// fold adds the carries to the lowest 16 bits until there are none: the sum of
// two carries can have a carry itself.
func fold(total uint64) uint16 {
	for total > 0xffff {
		total = total>>16 + total&0xffff
	}
	return uint16(total)
}
