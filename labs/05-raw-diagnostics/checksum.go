package rawdiag

import (
	"net/netip"
)

// Checksum is the Internet checksum of b, RFC 1071: the ones' complement of the
// ones' complement sum of its 16-bit words, the higher byte first. An odd byte at
// the end is the higher byte of a last word. Over bytes that hold their own right
// checksum it is 0.
func Checksum(b []byte) uint16 {
	return 0 // not implemented yet (labs/05-raw-diagnostics/README.md#1-checksum)
}

// TransportChecksum is the checksum of a TCP, UDP or ICMPv6 segment, which covers
// the addresses as well: they, the segment's length and the protocol precede it
// as a pseudo header. See RFC 9293, section 3.1, RFC 768, and for IPv6 RFC 8200,
// section 8.1. Both addresses are IPv4, or both IPv6.
//
// A segment that holds its own right checksum gives 0.
func TransportChecksum(src, dst netip.Addr, p Protocol, segment []byte) uint16 {
	return 0 // not implemented yet (labs/05-raw-diagnostics/README.md#1-checksum)
}

// Update is the checksum of bytes whose checksum was sum, after one of their
// 16-bit words changed from before to after: RFC 1624, equation 3. A router does
// this for each packet, since the TTL changes.
func Update(sum, before, after uint16) uint16 {
	return 0 // not implemented yet (labs/05-raw-diagnostics/README.md#1-checksum)
}
