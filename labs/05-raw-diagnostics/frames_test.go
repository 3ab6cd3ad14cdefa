package rawdiag_test

import (
	"net/netip"

	"workbook.example/tools/netlab"
)

// This file makes Ethernet frames by hand.

var (
	mac1 = unhex("020000000001")
	mac2 = unhex("020000000002")

	alice4, bob4 = netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2")
	alice6, bob6 = netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2")
)

// frame puts an Ethernet header before a packet, with the tags of VLANs.
func frame(packet []byte, vlans ...uint16) []byte {
	b := append(append([]byte(nil), mac2...), mac1...)
	for i, v := range vlans {
		tag := []byte{0x81, 0x00}
		if i < len(vlans)-1 {
			tag = []byte{0x88, 0xa8}
		}
		b = append(append(b, tag...), byte(v>>8), byte(v))
	}
	if packet[0]>>4 == 6 {
		b = append(b, 0x86, 0xdd)
	} else {
		b = append(b, 0x08, 0x00)
	}
	return append(b, packet...)
}

// tcp is a TCP segment without options.
func tcp(src, dst netip.Addr, from, to uint16, seq, ack uint32, flags byte, data []byte) []byte {
	return tcpWith(src, dst, from, to, seq, ack, flags, nil, data)
}

// tcpWith is a TCP segment with options, whose length is a multiple of four.
func tcpWith(src, dst netip.Addr, from, to uint16, seq, ack uint32, flags byte, options, data []byte) []byte {
	b := []byte{byte(from >> 8), byte(from), byte(to >> 8), byte(to),
		byte(seq >> 24), byte(seq >> 16), byte(seq >> 8), byte(seq),
		byte(ack >> 24), byte(ack >> 16), byte(ack >> 8), byte(ack),
		byte(5+len(options)/4) << 4, flags, 0x20, 0x00, 0, 0, 0, 0}
	b = append(append(b, options...), data...)
	sum := plainSum(append(pseudo(src, dst, 6, len(b)), b...))
	b[16], b[17] = byte(sum>>8), byte(sum)
	return b
}

// withOptions puts options behind the header of an IPv4 packet; their length is a
// multiple of four.
func withOptions(packet, options []byte) []byte {
	b := append(append(append([]byte(nil), packet[:20]...), options...), packet[20:]...)
	b[0] += byte(len(options) / 4)
	b[2], b[3] = byte(len(b)>>8), byte(len(b))
	netlab.FixHeader(b)
	return b
}

// fragment makes an IPv4 packet a part of one, at an offset in bytes.
func fragment(packet []byte, offset int, more bool) []byte {
	b := append([]byte(nil), packet...)
	b[6], b[7] = byte(offset/8>>8), byte(offset/8)
	if more {
		b[6] |= 0x20
	}
	netlab.FixHeader(b)
	return b
}

// extended is an IPv6 packet with extension headers before its payload: their types,
// and what they hold behind their first byte.
func extended(src, dst netip.Addr, protocol byte, payload []byte, headers ...[]byte) []byte {
	var all []byte
	for i, h := range headers {
		next := protocol
		if i+1 < len(headers) {
			next = headers[i+1][0]
		}
		all = append(append(all, next), h[1:]...)
	}
	first := protocol
	if len(headers) > 0 {
		first = headers[0][0]
	}
	return netlab.Build(src, dst, int(first), 64, append(all, payload...))
}

// Extension headers of IPv6: a type, and what follows the "next header" byte.
var (
	hopByHop     = append([]byte{0, 0}, make([]byte, 6)...)
	destinations = append([]byte{60, 1}, unhex("1e0c ffffffff ffffffff ffffffff")...) // an option for experiments, RFC 4727
	routing      = append([]byte{43, 0}, make([]byte, 6)...)
)

// fragment6 is a fragment's header.
func fragment6(offset int, more bool) []byte {
	b := []byte{44, 0, byte(offset >> 8), byte(offset), 0, 0, 0, 7}
	if more {
		b[3] |= 1
	}
	return b
}

func udp4(data string) []byte {
	return netlab.Build(alice4, bob4, netlab.UDP, 64, udp(alice4, bob4, 40000, 9944, []byte(data)))
}

func tcp4(flags byte, data string) []byte {
	return netlab.Build(alice4, bob4, netlab.TCP, 64, tcp(alice4, bob4, 40001, 8888, 100, 200, flags, []byte(data)))
}

// corpus is a frame of each kind.
var corpus = map[string][]byte{
	"UDP over IPv4": frame(udp4("beat")),
	"TCP over IPv4": frame(tcp4(0x18, "hello\n")),
	"TCP with options": frame(netlab.Build(alice4, bob4, netlab.TCP, 64,
		tcpWith(alice4, bob4, 40001, 8888, 99, 0, 2, unhex("0204 05b4 0101 0402"), nil))),
	"IPv4 with options":           frame(withOptions(udp4("beat"), unhex("9404 0000 0101 0100"))),
	"ICMP over IPv4":              frame(netlab.BuildICMP(alice4, bob4, 8, 0, unhex("1234 0001 6869"))),
	"first fragment over IPv4":    frame(fragment(udp4("beat"), 0, true)),
	"later fragment over IPv4":    frame(fragment(udp4("beat"), 1480, false)),
	"UDP over IPv6":               frame(netlab.Build(alice6, bob6, netlab.UDP, 64, udp(alice6, bob6, 40000, 9944, []byte("beat")))),
	"TCP over IPv6":               frame(netlab.Build(alice6, bob6, netlab.TCP, 64, tcp(alice6, bob6, 40001, 8888, 100, 200, 0x10, []byte("hello\n")))),
	"ICMPv6 over IPv6":            frame(netlab.BuildICMP(alice6, bob6, 128, 0, unhex("1234 0001 6869"))),
	"IPv6 with extensions":        frame(extended(alice6, bob6, 17, udp(alice6, bob6, 40000, 9944, []byte("beat")), hopByHop, destinations, routing)),
	"first fragment over IPv6":    frame(extended(alice6, bob6, 17, udp(alice6, bob6, 40000, 9944, []byte("beat")), fragment6(0, true))),
	"later fragment over IPv6":    frame(extended(alice6, bob6, 17, []byte("the middle of it"), fragment6(1448, false))),
	"UDP in a VLAN":               frame(udp4("beat"), 100),
	"UDP in a VLAN within a VLAN": frame(udp4("beat"), 7, 100),
	"UDP without data":            frame(udp4("")),
	"IPv6 with nothing in it":     frame(netlab.Build(alice6, bob6, 59, 64, nil)),
	"IPv6 with options alone":     frame(extended(alice6, bob6, 59, nil, hopByHop, destinations)),
	"ARP":                         append(append(append([]byte(nil), mac2...), mac1...), unhex("0806 0001 0800 0604 0001 020000000001 0a000001 000000000000 0a000002")...),
}
