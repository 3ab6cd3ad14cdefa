package rawdiag

import "net/netip"

// Checksum is the Internet checksum of b, RFC 1071.
func Checksum(b []byte) uint16 {
	var s ones
	s.add(b)
	return ^uint16(s)
}

// TransportChecksum is the checksum of a segment with its pseudo header.
func TransportChecksum(src, dst netip.Addr, p Protocol, segment []byte) uint16 {
	var s ones
	s.add(src.AsSlice())
	s.add(dst.AsSlice())
	s.word(uint16(p))
	s.word(uint16(len(segment) >> 16))
	s.word(uint16(len(segment)))
	s.add(segment)
	return ^uint16(s)
}

// Update is RFC 1624, equation 3.
func Update(sum, before, after uint16) uint16 {
	s := ones(^sum)
	s.word(^before)
	s.word(after)
	return ^uint16(s)
}

// ones is a ones' complement sum of words: the carry is added at once.
type ones uint16

func (s *ones) word(w uint16) {
	sum := uint32(*s) + uint32(w)
	*s = ones(sum&0xffff + sum>>16)
}

func (s *ones) add(b []byte) {
	for i, c := range b {
		if i%2 == 1 {
			s.word(uint16(c))
		} else {
			s.word(uint16(c) << 8)
		}
	}
}
