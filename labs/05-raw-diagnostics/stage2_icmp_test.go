package rawdiag_test

import (
	"bytes"
	"fmt"
	"net/netip"
	"testing"

	rawdiag "workbook.example/labs/05-raw-diagnostics"
	"workbook.example/tools/labtest"
	"workbook.example/tools/netlab"
)

// name is what a message kind is called.
var kindNames = map[rawdiag.Kind]string{
	rawdiag.Other: "Other", rawdiag.EchoRequest: "EchoRequest", rawdiag.EchoReply: "EchoReply",
	rawdiag.TimeExceeded: "TimeExceeded", rawdiag.Unreachable: "Unreachable",
}

// parse parses a message, which must succeed.
func parse(t *labtest.T, p rawdiag.Protocol, what string, b []byte) rawdiag.Message {
	t.Helper()
	m, err := rawdiag.ParseMessage(p, b)
	if err != nil {
		t.Broken("ParseMessage refused %s, %s, with %s.", what, hexed(b), orNone(err))
	}
	return m
}

func TestEchoRequestHasTheseBytes(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	for _, c := range []struct {
		p    rawdiag.Protocol
		want []byte
		note string
	}{
		{rawdiag.ICMP, unhex("0800 7d5b 1234 0007 6869"), "type 8, code 0, checksum, identifier 1234, number 7, \"hi\""},
		{rawdiag.ICMPv6, unhex("8000 0000 1234 0007 6869"), "type 128, code 0, a checksum of 0 that the kernel fills in, identifier 1234, number 7, \"hi\""},
	} {
		if got := rawdiag.AppendEcho(nil, c.p, 0x1234, 7, []byte("hi")); !bytes.Equal(got, c.want) {
			t.Broken("The echo request of %s with identifier 1234, number 7 and \"hi\" is %s; expected %s: %s.", protocols[c.p], hexed(got), hexed(c.want), c.note)
		}
		if got := rawdiag.AppendEcho([]byte("odd"), c.p, 0x1234, 7, []byte("hi")); !bytes.Equal(got, append([]byte("odd"), c.want...)) {
			t.Broken("Appended to \"odd\", the echo request is %s; expected the three bytes that were there, and then %s: the checksum is over the message alone.", hexed(got), hexed(c.want))
		}
	}
}

func TestEchoReplyIsRead(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	for p, b := range map[rawdiag.Protocol][]byte{
		rawdiag.ICMP:   unhex("0000 2f8c d00d ffff 01"),
		rawdiag.ICMPv6: unhex("8100 abcd d00d ffff 01"),
	} {
		if p == rawdiag.ICMP {
			sum := plainSum(append([]byte{0, 0, 0, 0}, b[4:]...))
			b[2], b[3] = byte(sum>>8), byte(sum)
		}
		m := parse(t, p, "an echo reply", b)
		if m.Kind != rawdiag.EchoReply || m.ID != 0xd00d || m.Seq != 0xffff || !bytes.Equal(m.Data, []byte{1}) || m.Type != b[0] {
			t.Broken("The echo reply %s was read as %s, type %d, identifier %04x, number %d, data %s; expected EchoReply, type %d, identifier d00d, number 65535, data 01.",
				hexed(b), kindNames[m.Kind], m.Type, m.ID, m.Seq, hexed(m.Data), b[0])
		}
	}
}

func TestTypesAreOfTheirVersion(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	kinds := map[rawdiag.Protocol]map[byte]rawdiag.Kind{
		rawdiag.ICMP:   {8: rawdiag.EchoRequest, 0: rawdiag.EchoReply, 128: rawdiag.Other, 129: rawdiag.Other, 5: rawdiag.Other, 1: rawdiag.Other},
		rawdiag.ICMPv6: {128: rawdiag.EchoRequest, 129: rawdiag.EchoReply, 8: rawdiag.Other, 0: rawdiag.Other, 135: rawdiag.Other, 11: rawdiag.Other},
	}
	for p, types := range kinds {
		for typ, want := range types {
			b := []byte{typ, 0, 0, 0, 0, 1, 0, 2}
			sum := plainSum(b)
			b[2], b[3] = byte(sum>>8), byte(sum)
			what := fmt.Sprintf("a message of type %d of %s", typ, protocols[p])
			if m := parse(t, p, what, b); m.Kind != want {
				t.Broken("%s was read as %s; expected %s.", what, kindNames[m.Kind], kindNames[want])
			}
		}
	}
}

func TestEveryTruncatedMessageIsRefused(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	for p, b := range map[rawdiag.Protocol][]byte{rawdiag.ICMP: unhex("0800 0000 0000 0000"), rawdiag.ICMPv6: unhex("8000 0000 0000 0000")} {
		for n := range b {
			var err error
			t.Returns("ParseMessage", func() { _, err = rawdiag.ParseMessage(p, b[:n]) })
			expectError(t, fmt.Sprintf("ParseMessage, of the first %d of the 8 bytes that a header has,", n), err, rawdiag.ErrShort)
		}
	}
	// An error is made of two headers more, and each of them can be cut.
	for _, v := range versions {
		b := timeExceeded(v, 8)
		for n := 8; n < len(b); n++ {
			cut := append([]byte(nil), b[:n]...)
			if v.icmp == rawdiag.ICMP {
				netlab.SetChecksum(v.router, v.here, cut)
			}
			var err error
			t.Returns("ParseMessage", func() { _, err = rawdiag.ParseMessage(v.icmp, cut) })
			expectError(t, fmt.Sprintf("ParseMessage, of a time exceeded of %s cut to %d bytes of %d,", v.name, n, len(b)), err, rawdiag.ErrShort)
		}
	}
}

// A version is IPv4 or IPv6, with three addresses.
type version struct {
	name               string
	icmp               rawdiag.Protocol
	here, router, dst  netip.Addr
	exceeded, unreach  byte
	port, hostUnreach  byte
	header             int
	prohibited, noNet  byte
	request, replyType byte
}

var versions = []version{
	{"IPv4", rawdiag.ICMP, netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.1.1"), netip.MustParseAddr("10.0.9.9"), 11, 3, 3, 1, 20, 13, 0, 8, 0},
	{"IPv6", rawdiag.ICMPv6, netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00:0:0:1::1"), netip.MustParseAddr("fd00:0:0:9::9"), 3, 1, 4, 3, 40, 1, 0, 128, 129},
}

// probePacket is a UDP packet to dst that has come to a router.
func probePacket(v version, options int) netlab.Packet {
	raw := netlab.Build(v.here, v.dst, netlab.UDP, 1, udp(v.here, v.dst, 40000, 33434, []byte("probe!")))
	if options > 0 { // no operation, as often as it takes
		raw = append(raw[:20:20], append(bytes.Repeat([]byte{1}, options), raw[20:]...)...)
		raw[0] += byte(options / 4)
		raw[3] += byte(options)
		netlab.FixHeader(raw)
	}
	p, err := netlab.ParsePacket(raw)
	if err != nil {
		panic(err)
	}
	return p
}

// timeExceeded is the message, without its IP header, that quotes so many bytes
// behind the IP header.
func timeExceeded(v version, quote int, labels ...uint32) []byte {
	packet, err := netlab.ParsePacket(netlab.TimeExceeded(v.router, probePacket(v, 0), v.header+quote, labels...))
	if err != nil {
		panic(err)
	}
	return packet.Payload
}

// expectQuote compares a quote with probePacket.
func expectQuote(t *labtest.T, what string, v version, q rawdiag.Quote, payload []byte) {
	t.Helper()
	if q.Src != v.here || q.Dst != v.dst || q.Protocol != rawdiag.UDP || q.TTL != 1 {
		t.Broken("%s: the quoted packet was read as one from %v to %v, of protocol %d, TTL %d; expected from %v to %v, protocol 17, TTL 1.", what, q.Src, q.Dst, q.Protocol, q.TTL, v.here, v.dst)
	}
	if !bytes.Equal(q.Payload, payload) {
		t.Broken("%s: behind the quoted IP header was read %s; expected %s.", what, hexed(q.Payload), hexed(payload))
	}
}

func TestErrorQuotesWhatItIsAbout(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	for _, v := range versions {
		for _, quote := range []int{8, 14} {
			what := fmt.Sprintf("A time exceeded of %s that quotes %d bytes behind the IP header", v.name, quote)
			m := parse(t, v.icmp, "a time exceeded", timeExceeded(v, quote))
			if m.Kind != rawdiag.TimeExceeded {
				t.Broken("%s was read as %s.", what, kindNames[m.Kind])
			}
			expectQuote(t, what, v, m.Quote, probePacket(v, 0).Payload[:quote])
		}
		raw := netlab.Unreachable(v.router, probePacket(v, 0), int(v.port), 0)
		packet, _ := netlab.ParsePacket(raw)
		m := parse(t, v.icmp, "a port unreachable", packet.Payload)
		if m.Kind != rawdiag.Unreachable || m.Code != v.port {
			t.Broken("A port unreachable of %s was read as %s with code %d; expected Unreachable with code %d.", v.name, kindNames[m.Kind], m.Code, v.port)
		}
	}
}

func TestOptionsOfAQuoteAreSkipped(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	v := versions[0]
	probe := probePacket(v, 12)
	packet, _ := netlab.ParsePacket(netlab.TimeExceeded(v.router, probe, 0))
	m := parse(t, v.icmp, "a time exceeded", packet.Payload)
	expectQuote(t, "A time exceeded whose quoted IP header has 12 bytes of options", v, m.Quote, probe.Payload[:8])
	// A header that says it is shorter than any, or another version.
	for _, first := range []byte{0x41, 0x65} {
		bad := append([]byte(nil), timeExceeded(v, 8)...)
		bad[8] = first
		netlab.SetChecksum(v.router, v.here, bad)
		var err error
		t.Returns("ParseMessage", func() { _, err = rawdiag.ParseMessage(v.icmp, bad) })
		expectError(t, fmt.Sprintf("ParseMessage, of an ICMP error that quotes an IPv4 header whose first byte is %02x (version and length),", first), err, rawdiag.ErrMalformed)
	}
}

func TestDamagedMessageIsRefused(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	good := rawdiag.AppendEcho(nil, rawdiag.ICMP, 1, 2, []byte("data"))
	for i := range good {
		bad := append([]byte(nil), good...)
		bad[i] ^= 4
		_, err := rawdiag.ParseMessage(rawdiag.ICMP, bad)
		expectError(t, fmt.Sprintf("ParseMessage, of an echo request of which one bit of byte %d was turned over,", i), err, rawdiag.ErrChecksum)
	}
	// That of ICMPv6 is over addresses that nobody here knows.
	parse(t, rawdiag.ICMPv6, "an ICMPv6 message whose checksum the kernel has checked", unhex("8100 ffff 0001 0002"))
}

func TestLabelsAreNotQuoted(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	for _, v := range versions {
		m := parse(t, v.icmp, "a time exceeded with MPLS labels", timeExceeded(v, 8, 16001, 24))
		if len(m.Labels) != 2 || m.Labels[0].Label != 16001 || m.Labels[1].Label != 24 {
			t.Broken("A time exceeded of %s tells of the MPLS labels 16001 and 24 (RFC 4950), and was read with %v.", v.name, m.Labels)
		}
		if n := len(m.Quote.Payload) + v.header; n != 128 {
			t.Broken("A time exceeded of %s says that its quote is 128 bytes long (RFC 4884), and %d bytes were taken for it: what follows is no quote.", v.name, n)
		}
	}
}
