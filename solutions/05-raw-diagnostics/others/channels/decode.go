package rawdiag

import "net/netip"

// Decode takes an Ethernet frame apart.
func Decode(frame []byte, l *Layers) error {
	l.Has, l.Payload, l.VLANs = 0, frame, [2]uint16{}
	c := cursor{b: frame, says: len(frame)}
	if !c.has(14) {
		return c.err
	}
	l.Has |= HasEthernet
	copy(l.Ethernet.Dst[:], frame)
	copy(l.Ethernet.Src[:], frame[6:])
	l.Ethernet.Type = c.half(12)
	c.skip(14, l)
	for tag := range l.VLANs {
		if l.Ethernet.Type != TypeVLAN && l.Ethernet.Type != TypeQinQ {
			break
		}
		if !c.has(4) {
			return c.err
		}
		l.Has |= HasVLAN
		l.VLANs[tag], l.Ethernet.Type = c.half(0)&0xfff, c.half(2)
		c.skip(4, l)
	}
	if l.Ethernet.Type == TypeIPv4 {
		return c.ipv4(l)
	}
	if l.Ethernet.Type == TypeIPv6 {
		return c.ipv6(l)
	}
	return nil
}

// A cursor is the rest of a frame: what was captured of it, and how long what holds it
// says that it is.
type cursor struct {
	b    []byte
	says int
	err  error
}

// has reports whether n bytes were captured.
func (c *cursor) has(n int) bool {
	if len(c.b) < n {
		c.err = ErrShort
	}
	return c.err == nil
}

func (c *cursor) half(at int) uint16 { return uint16(c.b[at])<<8 | uint16(c.b[at+1]) }

func (c *cursor) whole(at int) uint32 { return uint32(c.half(at))<<16 | uint32(c.half(at+2)) }

// skip leaves a header behind.
func (c *cursor) skip(n int, l *Layers) {
	c.b, c.says = c.b[n:], c.says-n
	l.Payload = c.b
}

// limit is where what follows ends, as it says.
func (c *cursor) limit(n int, l *Layers) {
	c.says = n
	if n < len(c.b) {
		c.b = c.b[:n]
	}
	l.Payload = c.b
}

func (c *cursor) ipv4(l *Layers) error {
	if len(c.b) < 20 {
		return ErrShort
	}
	header, length := int(c.b[0]&0xf)<<2, int(c.half(2))
	if c.b[0]>>4 != 4 || header < 20 || header > length {
		return ErrMalformed
	}
	if len(c.b) < header {
		return ErrShort
	}
	l.Has |= HasIPv4
	l.IP = IP{Protocol: Protocol(c.b[9]), TTL: c.b[8], Length: length, Options: c.b[20:header]}
	l.IP.Src, _ = netip.AddrFromSlice(c.b[12:16])
	l.IP.Dst, _ = netip.AddrFromSlice(c.b[16:20])
	l.IP.Offset, l.IP.More = int(c.half(6)<<3), c.half(6)>>13&1 == 1
	c.limit(length, l)
	c.skip(header, l)
	return c.transport(l)
}

func (c *cursor) ipv6(l *Layers) error {
	if len(c.b) < 40 {
		return ErrShort
	}
	if c.b[0]>>4 != 6 {
		return ErrMalformed
	}
	l.Has |= HasIPv6
	l.IP = IP{Protocol: Protocol(c.b[6]), TTL: c.b[7], Length: 40 + int(c.half(4))}
	l.IP.Src, _ = netip.AddrFromSlice(c.b[8:24])
	l.IP.Dst, _ = netip.AddrFromSlice(c.b[24:40])
	c.limit(l.IP.Length, l)
	c.skip(40, l)
	for l.IP.Offset == 0 {
		size := 8
		switch l.IP.Protocol {
		case 0, 43, 60:
			if !c.fits(8) {
				return c.err
			}
			size += 8 * int(c.b[1])
		case 44:
			if !c.fits(8) {
				return c.err
			}
			l.IP.Offset, l.IP.More = int(c.half(2)&0xfff8), c.half(2)&1 == 1
		default:
			return c.transport(l)
		}
		if !c.fits(size) {
			return c.err
		}
		l.IP.Protocol = Protocol(c.b[0])
		c.skip(size, l)
	}
	return c.transport(l)
}

// fits reports whether a header of n bytes is there, in a packet that says how long it
// is.
func (c *cursor) fits(n int) bool {
	switch {
	case c.says < n:
		c.err = ErrMalformed
	case len(c.b) < n:
		c.err = ErrShort
	default:
		return true
	}
	return false
}

func (c *cursor) transport(l *Layers) error {
	if l.IP.More || l.IP.Offset > 0 {
		l.Has |= HasFragment
	}
	if l.IP.Offset > 0 {
		return nil
	}
	switch l.IP.Protocol {
	case TCP:
		if !c.fits(20) {
			return c.err
		}
		header := int(c.b[12]>>4) << 2
		if header < 20 {
			return ErrMalformed
		}
		if !c.fits(header) {
			return c.err
		}
		l.Has |= HasTCP
		l.TCP = TCPHeader{c.half(0), c.half(2), c.whole(4), c.whole(8), TCPFlags(c.b[13]), c.half(14), c.b[20:header], c.says - header}
		c.skip(header, l)
	case UDP:
		if !c.fits(8) {
			return c.err
		}
		length := int(c.half(4))
		if length < 8 || length > c.says && !l.IP.More {
			return ErrMalformed
		}
		l.Has |= HasUDP
		l.UDP = UDPHeader{c.half(0), c.half(2), length}
		c.limit(length, l)
		c.skip(8, l)
	case ICMP, ICMPv6:
		if !c.fits(8) {
			return c.err
		}
		l.Has |= HasICMP
		l.ICMP = ICMPHeader{c.b[0], c.b[1]}
		c.skip(8, l)
	}
	return nil
}
