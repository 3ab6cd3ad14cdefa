package rawdiag_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"

	rawdiag "workbook.example/labs/05-raw-diagnostics"
	"workbook.example/tools/labtest"
	"workbook.example/tools/netlab"
)

// decode decodes a frame, which must succeed.
func decode(t *labtest.T, what string, frame []byte) rawdiag.Layers {
	t.Helper()
	var l rawdiag.Layers
	var err error
	t.Returns("Decode", func() { err = rawdiag.Decode(frame, &l) })
	if err != nil {
		t.Broken("Decode, of %s, returned %s. The frame is %s.", what, orNone(err), hexed(frame))
	}
	return l
}

// named are the layers of a frame in a sentence.
func named(h rawdiag.Has) string {
	names := map[rawdiag.Has]string{
		rawdiag.HasEthernet: "Ethernet", rawdiag.HasVLAN: "VLAN", rawdiag.HasIPv4: "IPv4", rawdiag.HasIPv6: "IPv6",
		rawdiag.HasTCP: "TCP", rawdiag.HasUDP: "UDP", rawdiag.HasICMP: "ICMP", rawdiag.HasFragment: "fragment",
	}
	var all []string
	for _, one := range slices.Sorted(maps.Keys(names)) {
		if h&one != 0 {
			all = append(all, names[one])
		}
	}
	if len(all) == 0 {
		return "nothing"
	}
	return strings.Join(all, ", ")
}

// expectLayers compares which layers a frame has with which it should have.
func expectLayers(t *labtest.T, what string, l rawdiag.Layers, want rawdiag.Has) {
	t.Helper()
	if l.Has != want {
		t.Broken("Decode found in %s: %s; expected %s.", what, named(l.Has), named(want))
	}
}

func expectPayload(t *labtest.T, what string, l rawdiag.Layers, want string) {
	t.Helper()
	if string(l.Payload) != want {
		t.Broken("The payload of %s was taken for %q; expected %q.", what, l.Payload, want)
	}
}

func TestHeadersAreRead(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, c := range []struct {
		name     string
		has      rawdiag.Has
		src, dst string
		payload  string
	}{
		{"UDP over IPv4", rawdiag.HasEthernet | rawdiag.HasIPv4 | rawdiag.HasUDP, "10.0.0.1:40000", "10.0.0.2:9944", "beat"},
		{"TCP over IPv4", rawdiag.HasEthernet | rawdiag.HasIPv4 | rawdiag.HasTCP, "10.0.0.1:40001", "10.0.0.2:8888", "hello\n"},
		{"ICMP over IPv4", rawdiag.HasEthernet | rawdiag.HasIPv4 | rawdiag.HasICMP, "10.0.0.1:0", "10.0.0.2:0", "hi"},
		{"UDP over IPv6", rawdiag.HasEthernet | rawdiag.HasIPv6 | rawdiag.HasUDP, "[fd00::1]:40000", "[fd00::2]:9944", "beat"},
		{"TCP over IPv6", rawdiag.HasEthernet | rawdiag.HasIPv6 | rawdiag.HasTCP, "[fd00::1]:40001", "[fd00::2]:8888", "hello\n"},
		{"ICMPv6 over IPv6", rawdiag.HasEthernet | rawdiag.HasIPv6 | rawdiag.HasICMP, "[fd00::1]:0", "[fd00::2]:0", "hi"},
	} {
		l := decode(t, c.name, corpus[c.name])
		expectLayers(t, c.name, l, c.has)
		expectPayload(t, c.name, l, c.payload)
		if src, dst := l.Endpoints(); src.String() != c.src || dst.String() != c.dst {
			t.Broken("%s goes from %s to %s, and was read as one from %v to %v.", c.name, c.src, c.dst, src, dst)
		}
		if n := len(corpus[c.name]) - 14; l.IP.TTL != 64 || l.IP.Length != n {
			t.Broken("The packet of %s has TTL 64 and %d bytes, and was read with TTL %d and %d.", c.name, n, l.IP.TTL, l.IP.Length)
		}
		if !bytes.Equal(l.Ethernet.Src[:], mac1) || !bytes.Equal(l.Ethernet.Dst[:], mac2) {
			t.Broken("%s goes from %x to %x on the cable, and was read as one from %x to %x.", c.name, mac1, mac2, l.Ethernet.Src, l.Ethernet.Dst)
		}
	}
	for name, want := range map[string]rawdiag.ICMPHeader{"ICMP over IPv4": {Type: 8}, "ICMPv6 over IPv6": {Type: 128}} {
		frame := append([]byte(nil), corpus[name]...)
		frame[len(frame)-len("hi")-7] = 5 // the code
		want.Code = 5
		if l := decode(t, name, frame); l.ICMP != want {
			t.Broken("%s of type %d and code 5 was read with type %d and code %d.", name, want.Type, l.ICMP.Type, l.ICMP.Code)
		}
	}
	l := decode(t, "TCP with options", corpus["TCP with options"])
	if l.TCP.Seq != 99 || l.TCP.Flags != rawdiag.SYN || l.TCP.Window != 0x2000 || !bytes.Equal(l.TCP.Options, unhex("0204 05b4 0101 0402")) || l.TCP.Length != 0 {
		t.Broken("A SYN with number 99, window 8192, 8 bytes of options and no data was read with number %d, flags %02x, window %d, options %s and %d bytes of data.",
			l.TCP.Seq, l.TCP.Flags, l.TCP.Window, hexed(l.TCP.Options), l.TCP.Length)
	}
	l = decode(t, "TCP over IPv4", corpus["TCP over IPv4"])
	if l.TCP.Seq != 100 || l.TCP.Ack != 200 || l.TCP.Flags != rawdiag.PSH|rawdiag.ACK || l.TCP.Length != 6 {
		t.Broken("A segment with number 100, acknowledgement 200, PSH and ACK and 6 bytes of data was read with %d, %d, flags %02x and %d bytes.", l.TCP.Seq, l.TCP.Ack, l.TCP.Flags, l.TCP.Length)
	}
}

func TestHeadersAreAsLongAsTheySay(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, name := range []string{"IPv4 with options", "IPv6 with extensions"} {
		l := decode(t, name, corpus[name])
		if l.Has&rawdiag.HasUDP == 0 || l.UDP.Dst != 9944 {
			t.Broken("%s carries UDP to port 9944, and was read with %s, port %d.", name, named(l.Has), l.UDP.Dst)
		}
		expectPayload(t, name, l, "beat")
	}
	// The last options end with the packet: nothing lies behind them to read by mistake.
	l := decode(t, "TCP with options", corpus["TCP with options"])
	expectPayload(t, "TCP with options", l, "")
}

func TestTagsOfVLANsAreTakenOff(tt *testing.T) {
	t := labtest.Begin(tt)
	for name, want := range map[string][2]uint16{"UDP in a VLAN": {100, 0}, "UDP in a VLAN within a VLAN": {7, 100}, "UDP over IPv4": {}} {
		l := decode(t, name, corpus[name])
		if l.VLANs != want || l.Has&rawdiag.HasUDP == 0 || l.Has&rawdiag.HasVLAN != 0 != (want[0] != 0) {
			t.Broken("%s has the tags %v, and was read with the tags %v and the layers %s.", name, want, l.VLANs, named(l.Has))
		}
		if l.Ethernet.Type != rawdiag.TypeIPv4 {
			t.Broken("%s carries IPv4, type 0800; what follows its tags was read as type %04x.", name, l.Ethernet.Type)
		}
	}
	three := frame(udp4("beat"), 5, 6, 7)
	if l := decode(t, "UDP in three VLANs", three); l.VLANs != [2]uint16{5, 6} || l.Ethernet.Type != rawdiag.TypeVLAN || len(l.Payload) != len(three)-22 {
		t.Broken("A frame with three tags was read with the tags %v, type %04x and %d bytes of payload; expected 5 and 6, 8100, and %d: the third is payload.", l.VLANs, l.Ethernet.Type, len(l.Payload), len(three)-22)
	}
	tagged := append([]byte(nil), corpus["UDP in a VLAN"]...)
	tagged[14] |= 0xe0 // a priority, in the highest three bits
	if l := decode(t, "UDP in VLAN 100 with priority 7", tagged); l.VLANs[0] != 100 {
		t.Broken("UDP in VLAN 100 with priority 7 was read with the tag %d: the identifier is the lower 12 bits.", l.VLANs[0])
	}
}

func TestPaddingIsNoPayload(tt *testing.T) {
	t := labtest.Begin(tt)
	// Ethernet frames have 60 bytes or more; cards fill up with zeroes, or with what
	// was in their memory.
	for name, want := range map[string]string{"UDP over IPv4": "beat", "TCP over IPv4": "hello\n", "UDP over IPv6": "beat", "ICMP over IPv4": "hi", "ICMPv6 over IPv6": "hi"} {
		l := decode(t, name, append(append([]byte(nil), corpus[name]...), "padding of the card"...))
		expectPayload(t, name+" with 19 bytes of padding behind it", l, want)
	}
}

func TestLaterFragmentHasNoPorts(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, c := range []struct {
		name   string
		has    rawdiag.Has
		offset int
		more   bool
	}{
		{"first fragment over IPv4", rawdiag.HasEthernet | rawdiag.HasIPv4 | rawdiag.HasUDP | rawdiag.HasFragment, 0, true},
		{"later fragment over IPv4", rawdiag.HasEthernet | rawdiag.HasIPv4 | rawdiag.HasFragment, 1480, false},
		{"first fragment over IPv6", rawdiag.HasEthernet | rawdiag.HasIPv6 | rawdiag.HasUDP | rawdiag.HasFragment, 0, true},
		{"later fragment over IPv6", rawdiag.HasEthernet | rawdiag.HasIPv6 | rawdiag.HasFragment, 1448, false},
	} {
		l := decode(t, "a "+c.name, corpus[c.name])
		expectLayers(t, "a "+c.name, l, c.has)
		if l.IP.Offset != c.offset || l.IP.More != c.more || l.IP.Protocol != rawdiag.UDP {
			t.Broken("A %s begins at byte %d (more follow: %v) of a UDP datagram, and was read as one that begins at %d (%v), of protocol %d.", c.name, c.offset, c.more, l.IP.Offset, l.IP.More, l.IP.Protocol)
		}
	}
}

func TestFirstFragmentTellsTheWholeLength(tt *testing.T) {
	t := labtest.Begin(tt)
	data := make([]byte, 3000)
	for name, packet := range map[string][]byte{
		"IPv4": fragment(netlab.Build(alice4, bob4, netlab.UDP, 64, udp(alice4, bob4, 40000, 9944, data)[:1480]), 0, true),
		"IPv6": extended(alice6, bob6, 17, udp(alice6, bob6, 40000, 9944, data)[:1448], fragment6(0, true)),
	} {
		what := "the first fragment, over " + name + ", of a datagram with 3000 bytes of data"
		l := decode(t, what, frame(packet))
		if here := map[string]int{"IPv4": 1472, "IPv6": 1440}[name]; l.UDP.Length != 3008 || len(l.Payload) != here {
			t.Broken("Decode, of %s, read a UDP length of %d and found %d bytes of payload; expected 3008, and the %d bytes that are here.", what, l.UDP.Length, len(l.Payload), here)
		}
	}
}

func TestEveryTruncatedFrameIsRefused(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, name := range slices.Sorted(maps.Keys(corpus)) {
		whole := corpus[name]
		full := decode(t, name, whole)
		headers := len(whole) - len(full.Payload)
		for n := range len(whole) {
			var l rawdiag.Layers
			var err error
			t.Returns("Decode", func() { err = rawdiag.Decode(whole[:n:n], &l) })
			what := fmt.Sprintf("%s, of whose %d bytes %d were captured,", name, len(whole), n)
			if n < headers && !errors.Is(err, rawdiag.ErrShort) {
				t.Broken("Decode, of %s gave %s; expected ErrShort, since its headers take %d.", what, orNone(err), headers)
			}
			if n >= headers && (err != nil || l.Has != full.Has) {
				t.Broken("Decode, of %s gave %s and the layers %s; expected no error, and %s: all headers are there.", what, orNone(err), named(l.Has), named(full.Has))
			}
			if l.Has&^full.Has != 0 {
				t.Broken("Decode, of %s found %s; the whole frame has only %s.", what, named(l.Has), named(full.Has))
			}
		}
		if full.Has&(rawdiag.HasTCP|rawdiag.HasUDP) != 0 && len(full.Payload) > 0 {
			var l rawdiag.Layers
			rawdiag.Decode(whole[:headers], &l)
			if l.Has&rawdiag.HasIPv4 != 0 && l.IP.Length != full.IP.Length || l.Has&rawdiag.HasTCP != 0 && l.TCP.Length != full.TCP.Length {
				t.Broken("Of %s the payload was not captured, and its lengths were read as %d and %d; expected %d and %d, as the headers say.", name, l.IP.Length, l.TCP.Length, full.IP.Length, full.TCP.Length)
			}
		}
	}
}

func TestLengthsThatCannotBeAreRefused(tt *testing.T) {
	t := labtest.Begin(tt)
	// set is a frame of the corpus with some bytes changed, behind Ethernet.
	set := func(name string, changes ...int) []byte {
		b := append([]byte(nil), corpus[name]...)
		for i := 0; i < len(changes); i += 2 {
			b[14+changes[i]] = byte(changes[i+1])
		}
		return b
	}
	for _, c := range []struct {
		what  string
		frame []byte
		has   rawdiag.Has
	}{
		{"an IPv4 header that says it is 16 bytes long", set("UDP over IPv4", 0, 0x44), rawdiag.HasEthernet},
		{"an IPv4 packet that says it is shorter than its header", set("UDP over IPv4", 2, 0, 3, 19), rawdiag.HasEthernet},
		{"an IPv4 packet that says it is IPv6", set("UDP over IPv4", 0, 0x65), rawdiag.HasEthernet},
		{"an IPv6 packet that says it is IPv4", set("UDP over IPv6", 0, 0x40), rawdiag.HasEthernet},
		{"a TCP header that says it is 16 bytes long", set("TCP over IPv4", 32, 0x40), rawdiag.HasEthernet | rawdiag.HasIPv4},
		{"a TCP header that says it is longer than the segment", set("TCP over IPv4", 32, 0xf0), rawdiag.HasEthernet | rawdiag.HasIPv4},
		{"a UDP datagram that says it is 7 bytes long", set("UDP over IPv4", 24, 0, 25, 7), rawdiag.HasEthernet | rawdiag.HasIPv4},
		{"a UDP datagram that says it is longer than its packet", set("UDP over IPv4", 24, 0, 25, 13), rawdiag.HasEthernet | rawdiag.HasIPv4},
		{"an IPv4 packet that says it ends within its UDP header", set("UDP over IPv4", 2, 0, 3, 25), rawdiag.HasEthernet | rawdiag.HasIPv4},
		{"an IPv6 packet that says it ends within an extension header", set("IPv6 with extensions", 4, 0, 5, 12), rawdiag.HasEthernet | rawdiag.HasIPv6},
	} {
		var l rawdiag.Layers
		var err error
		t.Returns("Decode", func() { err = rawdiag.Decode(c.frame, &l) })
		if !errors.Is(err, rawdiag.ErrMalformed) {
			t.Broken("Decode, of %s, gave %s; expected ErrMalformed.", c.what, orNone(err))
		}
		expectLayers(t, c.what, l, c.has)
	}
}

func TestNothingIsLeftOfTheFrameBefore(tt *testing.T) {
	t := labtest.Begin(tt)
	var l rawdiag.Layers
	rawdiag.Decode(corpus["UDP in a VLAN within a VLAN"], &l)
	rawdiag.Decode(corpus["ARP"], &l)
	if l.Has != rawdiag.HasEthernet || l.Ethernet.Type != 0x0806 {
		t.Broken("A frame with UDP was decoded, and then one with ARP, into the same Layers: Has is %s, the type %04x; expected Ethernet alone, and 0806.", named(l.Has), l.Ethernet.Type)
	}
	if len(l.Payload) != 28 {
		t.Broken("What Decode does not know is the payload: 28 bytes of ARP; it is %d bytes.", len(l.Payload))
	}
	rawdiag.Decode(corpus["UDP over IPv4"], &l)
	if l.VLANs != [2]uint16{} {
		t.Broken("A frame with tags was decoded, and then one without, into the same Layers: it has the tags %v.", l.VLANs)
	}
	rawdiag.Decode(nil, &l)
	if l.Has != 0 {
		t.Broken("A frame was decoded, and then one of no bytes, into the same Layers: Has is %s; expected nothing.", named(l.Has))
	}
}

func TestDecodeTakesNoMemory(tt *testing.T) {
	t := labtest.Begin(tt)
	decode(t, "UDP over IPv4", corpus["UDP over IPv4"])
	var l rawdiag.Layers
	for _, name := range slices.Sorted(maps.Keys(corpus)) {
		if n := testing.AllocsPerRun(100, func() { _ = rawdiag.Decode(corpus[name], &l) }); n > 0 {
			t.Broken("Decode, of %s, allocates memory %.0f times. At a million frames a second the garbage collector is all that the machine does.", name, n)
		}
	}
}

func TestAnyBytesAreSafe(tt *testing.T) {
	t := labtest.Begin(tt)
	r := t.Rand()
	names := slices.Sorted(maps.Keys(corpus))
	for range 20000 {
		b := append([]byte(nil), corpus[names[r.IntN(len(names))]]...)
		for range 1 + r.IntN(4) {
			b[r.IntN(len(b))] = byte(r.Uint32())
		}
		b = b[:r.IntN(len(b)+1)]
		b = b[:len(b):len(b)]
		panicked, err := survived(b)
		if panicked != nil {
			t.Broken("Decode panicked on the frame %x: %v.", b, panicked)
		}
		if err != nil && !errors.Is(err, rawdiag.ErrShort) && !errors.Is(err, rawdiag.ErrMalformed) {
			t.Broken("Decode, of the frame %x, gave %s; expected ErrShort or ErrMalformed.", b, orNone(err))
		}
	}
}

// survived decodes a frame, and says how it panicked if it did.
func survived(frame []byte) (panicked any, err error) {
	defer func() { panicked = recover() }()
	var l rawdiag.Layers
	return nil, rawdiag.Decode(frame, &l)
}

func TestDecodeAgreesWithGopacket(tt *testing.T) {
	t := labtest.Begin(tt)
	r := t.Rand()
	names := slices.Sorted(maps.Keys(corpus))
	agreed := 0
	for i := range 3000 {
		name := names[i%len(names)]
		b := append([]byte(nil), corpus[name]...)
		if i >= len(names) { // any values, in the same headers
			at := 14 + r.IntN(len(b)-14)
			b[at] = byte(r.Uint32())
		}
		var l rawdiag.Layers
		if rawdiag.Decode(b, &l) != nil {
			continue
		}
		// NewPacket recovers where one of gopacket's decoders panics.
		p := gopacket.NewPacket(b, layers.LinkTypeEthernet, gopacket.DecodeOptions{Lazy: false, NoCopy: true})
		if p.ErrorLayer() != nil {
			continue
		}
		agreed++
		whole := p.Layer(gopacket.LayerTypeFragment) == nil // gopacket looks into no fragment, not even one that is all
		if l.Has&rawdiag.HasTCP != 0 && whole {
			theirs, ok := p.Layer(layers.LayerTypeTCP).(*layers.TCP)
			if !ok || uint16(theirs.SrcPort) != l.TCP.Src || uint16(theirs.DstPort) != l.TCP.Dst || theirs.Seq != l.TCP.Seq || theirs.Window != l.TCP.Window {
				t.Broken("Of %s, changed to %x, Decode reads TCP from port %d to %d with number %d, and gopacket something else: %v.", name, b, l.TCP.Src, l.TCP.Dst, l.TCP.Seq, p)
			}
		}
		if l.Has&rawdiag.HasUDP != 0 && whole {
			theirs, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
			if !ok || uint16(theirs.SrcPort) != l.UDP.Src || uint16(theirs.DstPort) != l.UDP.Dst {
				t.Broken("Of %s, changed to %x, Decode reads UDP from port %d to %d, and gopacket something else: %v.", name, b, l.UDP.Src, l.UDP.Dst, p)
			}
		}
		if ip, ok := p.Layer(layers.LayerTypeIPv4).(*layers.IPv4); ok && l.Has&rawdiag.HasIPv4 != 0 {
			if src, _ := netip.AddrFromSlice(ip.SrcIP); src != l.IP.Src || ip.TTL != l.IP.TTL || int(ip.FragOffset)*8 != l.IP.Offset {
				t.Broken("Of %s, changed to %x, Decode reads IPv4 from %v with TTL %d, and gopacket from %v with TTL %d.", name, b, l.IP.Src, l.IP.TTL, ip.SrcIP, ip.TTL)
			}
		}
	}
	if agreed < 1000 {
		t.Broken("Of 3000 frames that were changed a little, Decode and gopacket both read only %d.", agreed)
	}
}

// FuzzDecode looks for a frame that Decode cannot bear:
//
//	go test -fuzz FuzzDecode
func FuzzDecode(f *testing.F) {
	for _, frame := range corpus {
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		var l rawdiag.Layers
		err := rawdiag.Decode(frame, &l)
		if err != nil && !errors.Is(err, rawdiag.ErrShort) && !errors.Is(err, rawdiag.ErrMalformed) {
			t.Fatalf("an error that is neither ErrShort nor ErrMalformed: %v", err)
		}
		if len(l.Payload) > len(frame) {
			t.Fatalf("a payload of %d bytes in a frame of %d", len(l.Payload), len(frame))
		}
		if l.Has&rawdiag.HasUDP != 0 && l.Has&(rawdiag.HasIPv4|rawdiag.HasIPv6) == 0 {
			t.Fatalf("UDP without IP: %s", named(l.Has))
		}
	})
}

// BenchmarkDecodeFile reads a capture file frame by frame and decodes each: an
// iteration is a frame.
func BenchmarkDecodeFile(b *testing.B) {
	var file bytes.Buffer
	w := pcapgo.NewWriter(&file)
	w.WriteFileHeader(1<<16, layers.LinkTypeEthernet)
	const frames = 10000
	names := slices.Sorted(maps.Keys(corpus))
	for i := range frames {
		frame := corpus[names[i%len(names)]]
		w.WritePacket(gopacket.CaptureInfo{Timestamp: time.Unix(0, 0), Length: len(frame), CaptureLength: len(frame)}, frame)
	}
	path := filepath.Join(b.TempDir(), "frames.pcap")
	if err := os.WriteFile(path, file.Bytes(), 0o600); err != nil {
		b.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	buffered := bufio.NewReaderSize(nil, 1<<16)
	var r *pcapgo.Reader
	var l rawdiag.Layers
	b.ReportAllocs()
	for i := range b.N {
		if i%frames == 0 {
			f.Seek(0, io.SeekStart)
			buffered.Reset(f)
			if r, err = pcapgo.NewReader(buffered); err != nil {
				b.Fatal(err)
			}
		}
		frame, _, err := r.ZeroCopyReadPacketData()
		if err != nil {
			b.Fatal(err)
		}
		if err := rawdiag.Decode(frame, &l); err != nil {
			b.Skip(err)
		}
	}
}

// BenchmarkDecode decodes a TCP segment over IPv4.
func BenchmarkDecode(b *testing.B) {
	frame := corpus["TCP over IPv4"]
	var l rawdiag.Layers
	b.ReportAllocs()
	for range b.N {
		if err := rawdiag.Decode(frame, &l); err != nil {
			b.Skip(err)
		}
	}
}
