package rawdiag_test

import (
	"bytes"
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	rawdiag "workbook.example/solutions/05-raw-diagnostics"
	"workbook.example/tools/netlab"
)

// This file makes frames at random. They are of few hosts and ports, so that several
// have something in common. All checksums are right, and those of TCP, UDP, ICMPv6 and
// extended IPv4 headers are the solution's, so that others judge them as well.

var (
	hosts4 = []netip.Addr{netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.0.2"), netip.MustParseAddr("192.0.2.255")}
	hosts6 = []netip.Addr{netip.MustParseAddr("fd00::1"), netip.MustParseAddr("fd00::2"), netip.MustParseAddr("2001:db8:1:2:3:4:5:6")}
	ports  = []uint16{4000, 8888, 9944, 40000, 65535}
)

func pick[T any](r *rand.Rand, of ...T) T { return of[r.IntN(len(of))] }

// chance is true once in n times.
func chance(r *rand.Rand, n int) bool { return r.IntN(n) == 0 }

// noise is at most so many bytes.
func noise(r *rand.Rand, most int) []byte {
	b := make([]byte, r.IntN(most+1))
	for i := range b {
		b[i] = byte(r.Uint32())
	}
	return b
}

// randomFrame is a frame that is right, whatever it holds, and whole.
func randomFrame(r *rand.Rand) []byte {
	b := []byte{2, 0, 0, 0, 0, byte(r.Uint32()), 2, 0, 0, 0, 0, byte(r.Uint32())}
	for _, tag := range [][]uint16{{}, {}, {}, {rawdiag.TypeVLAN}, {rawdiag.TypeQinQ, rawdiag.TypeVLAN}}[r.IntN(5)] {
		b = binary.BigEndian.AppendUint16(b, tag)
		b = binary.BigEndian.AppendUint16(b, uint16(r.Uint32())) // priority and identifier
	}
	switch r.IntN(20) {
	case 0:
		b = binary.BigEndian.AppendUint16(b, 0x88b5) // a type for experiments
		b = append(b, noise(r, 100)...)
	case 1, 2, 3, 4, 5, 6, 7, 8, 9:
		b = binary.BigEndian.AppendUint16(b, rawdiag.TypeIPv6)
		b = append(b, randomIPv6(r)...)
	default:
		b = binary.BigEndian.AppendUint16(b, rawdiag.TypeIPv4)
		b = append(b, randomIPv4(r)...)
	}
	if pad := 60 - len(b); pad > 0 && chance(r, 2) {
		b = append(b, make([]byte, pad)...)
	}
	return b
}

func randomIPv4(r *rand.Rand) []byte {
	src, dst := pick(r, hosts4...), pick(r, hosts4...)
	protocol, payload := randomTransport(r, src, dst, rawdiag.ICMP)
	var options []byte
	if chance(r, 3) {
		options = bytes.Repeat([]byte{1}, 4*r.IntN(11)) // no operation
		if len(options) > 0 {
			options[len(options)-1] = 0 // their end
		}
		if len(options) >= 8 {
			copy(options, []byte{148, 4, 0, 0}) // router alert, RFC 2113
		}
	}
	offset, more := 0, false
	if chance(r, 5) {
		offset, more = 8*r.IntN(200)*r.IntN(2), mayEnd(r, &payload)
	}
	b := netlab.Build(src, dst, int(protocol), 1+r.IntN(255), append(options, payload...))
	b[0] += byte(len(options) / 4)
	b[1] = byte(r.Uint32()) & 0xfc
	binary.BigEndian.PutUint16(b[4:], uint16(r.Uint32()))
	binary.BigEndian.PutUint16(b[6:], uint16(offset/8))
	switch {
	case more:
		b[6] |= 0x20
	case offset == 0 && chance(r, 2):
		b[6] |= 0x40 // do not fragment
	}
	header := b[:20+len(options)]
	binary.BigEndian.PutUint16(header[10:], 0)
	binary.BigEndian.PutUint16(header[10:], rawdiag.Checksum(header))
	return b
}

// mayEnd ends a payload at a multiple of 8 bytes, so that more fragments can follow,
// if there is enough of it for a transport's header.
func mayEnd(r *rand.Rand, payload *[]byte) bool {
	if len(*payload) < 64 || chance(r, 3) {
		return false
	}
	*payload = (*payload)[:len(*payload)&^7]
	return true
}

// The extension headers of IPv6 that are known: RFC 8200, section 4.
const (
	hopByHop     = 0
	routing      = 43
	fragment     = 44
	destinations = 60
)

func randomIPv6(r *rand.Rand) []byte {
	src, dst := pick(r, hosts6...), pick(r, hosts6...)
	protocol, payload := randomTransport(r, src, dst, rawdiag.ICMPv6)
	kinds := [][]byte{
		{}, {}, {}, {hopByHop}, {destinations}, {routing}, {fragment}, {fragment},
		{hopByHop, destinations, routing}, {hopByHop, fragment}, {routing, fragment, destinations},
	}[r.IntN(11)]
	var all []byte
	for i, kind := range kinds {
		next := byte(protocol)
		if i+1 < len(kinds) {
			next = kinds[i+1]
		}
		header := make([]byte, 8*(1+r.IntN(3)))
		switch kind {
		case fragment:
			header = make([]byte, 8)
			offset := 8 * r.IntN(200) * r.IntN(2)
			if mayEnd(r, &payload) {
				header[3] = 1
			}
			binary.BigEndian.PutUint16(header[2:], uint16(offset)|uint16(header[3]))
			binary.BigEndian.PutUint32(header[4:], r.Uint32())
		case routing:
			header[1] = byte(len(header)/8 - 1)
			header[2] = 253 // a type for experiments, RFC 4727; nothing is left to visit
		default:
			header[1] = byte(len(header)/8 - 1)
			header[2], header[3] = 1, byte(len(header)-4) // PadN
		}
		header[0] = next
		all = append(all, header...)
	}
	first := byte(protocol)
	if len(kinds) > 0 {
		first = kinds[0]
	}
	b := netlab.Build(src, dst, int(first), 1+r.IntN(255), append(all, payload...))
	binary.BigEndian.PutUint32(b, 6<<28|r.Uint32()&0xfcfffff) // traffic class and flow label
	return b
}

// randomTransport is what an IP packet carries.
func randomTransport(r *rand.Rand, src, dst netip.Addr, icmp rawdiag.Protocol) (rawdiag.Protocol, []byte) {
	data := noise(r, pick(r, 0, 20, 200))
	switch r.IntN(10) {
	case 0:
		return 253, data // for experiments, RFC 3692
	case 1, 2:
		types := []byte{0, 8, 3, 11}
		if icmp == rawdiag.ICMPv6 {
			types = []byte{128, 129, 1, 3}
		}
		kind := pick(r, types...)
		rest := append([]byte{byte(r.Uint32()), byte(r.Uint32()), 0, 1}, data...)
		if kind < 128 && kind != 0 && kind != 8 {
			quoted, _ := netlab.ParsePacket(netlab.Build(dst, src, netlab.UDP, 1, segmentUDP(src, dst, 1000, 2000, data)))
			rest = append(make([]byte, 4), quoted.Raw[:min(len(quoted.Raw), 60)]...)
		}
		b := append([]byte{kind, byte(r.IntN(3)) * (kind & 1), 0, 0}, rest...)
		sum := rawdiag.Checksum(b)
		if icmp == rawdiag.ICMPv6 {
			sum = rawdiag.TransportChecksum(src, dst, icmp, b)
		}
		binary.BigEndian.PutUint16(b[2:], sum)
		return icmp, b
	case 3, 4, 5, 6:
		return rawdiag.UDP, segmentUDP(src, dst, pick(r, ports...), pick(r, ports...), data)
	default:
		flags := rawdiag.TCPFlags(r.Uint32())
		if len(data) > 0 {
			flags &^= rawdiag.RST // tshark takes its data for the reason, RFC 9293, section 3.5.3
		}
		return rawdiag.TCP, segmentTCP(src, dst, rawdiag.TCPHeader{
			Src: pick(r, ports...), Dst: pick(r, ports...), Seq: r.Uint32(), Ack: r.Uint32(),
			Flags: flags, Window: uint16(r.Uint32()),
			Options: pick(r, nil,
				[]byte{1, 1, 8, 10, 0, 0, 0, 1, 0, 0, 0, 2},                           // timestamps
				[]byte{2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7}, // those of a SYN
				[]byte{1, 1, 5, 18, 0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4}),  // SACK
		}, data)
	}
}

func segmentUDP(src, dst netip.Addr, from, to uint16, data []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, from)
	b = binary.BigEndian.AppendUint16(b, to)
	b = binary.BigEndian.AppendUint16(b, uint16(8+len(data)))
	b = append(append(b, 0, 0), data...)
	sum := rawdiag.TransportChecksum(src, dst, rawdiag.UDP, b)
	if sum == 0 {
		sum = 0xffff // 0 is none: RFC 768
	}
	binary.BigEndian.PutUint16(b[6:], sum)
	return b
}

func segmentTCP(src, dst netip.Addr, h rawdiag.TCPHeader, data []byte) []byte {
	b := binary.BigEndian.AppendUint16(nil, h.Src)
	b = binary.BigEndian.AppendUint16(b, h.Dst)
	b = binary.BigEndian.AppendUint32(b, h.Seq)
	b = binary.BigEndian.AppendUint32(b, h.Ack)
	b = append(b, byte(5+len(h.Options)/4)<<4, byte(h.Flags))
	b = binary.BigEndian.AppendUint16(b, h.Window)
	b = append(append(append(b, 0, 0, 0, 0), h.Options...), data...)
	binary.BigEndian.PutUint16(b[16:], rawdiag.TransportChecksum(src, dst, rawdiag.TCP, b))
	return b
}

// A recorded frame is one of a capture.
type recorded struct {
	at     time.Time
	frame  []byte // as far as it was captured
	length int    // on the wire
}

// pcap writes frames to a file that others read.
func pcap(t *testing.T, frames []recorded) (file string) {
	t.Helper()
	var b bytes.Buffer
	w := pcapgo.NewWriterNanos(&b)
	require.NoError(t, w.WriteFileHeader(1<<16, layers.LinkTypeEthernet))
	for _, f := range frames {
		require.NoError(t, w.WritePacket(gopacket.CaptureInfo{Timestamp: f.at, CaptureLength: len(f.frame), Length: f.length}, f.frame))
	}
	file = filepath.Join(t.TempDir(), "frames.pcap")
	require.NoError(t, os.WriteFile(file, b.Bytes(), 0o600))
	return file
}
