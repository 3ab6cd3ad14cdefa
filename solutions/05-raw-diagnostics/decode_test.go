package rawdiag_test

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unsafe"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/stretchr/testify/require"

	rawdiag "workbook.example/solutions/05-raw-diagnostics"
)

// A view is what somebody sees in a frame, in words that can be compared: what is not
// there is "".
type view struct{ ethernet, ip, transport, payload string }

// viewOf is what Decode sees.
func viewOf(frame []byte) (view, error) {
	var l rawdiag.Layers
	err := rawdiag.Decode(frame, &l)
	var v view
	if l.Has&rawdiag.HasEthernet != 0 {
		v.ethernet = fmt.Sprintf("%v to %v, type %04x", net.HardwareAddr(l.Ethernet.Src[:]), net.HardwareAddr(l.Ethernet.Dst[:]), l.Ethernet.Type)
		for _, id := range l.VLANs {
			if l.Has&rawdiag.HasVLAN != 0 && id != 0 {
				v.ethernet += fmt.Sprintf(", VLAN %d", id)
			}
		}
	}
	if l.Has&(rawdiag.HasIPv4|rawdiag.HasIPv6) != 0 {
		v.ip = fmt.Sprintf("%v to %v, protocol %d, TTL %d, length %d, offset %d, more %v, %d bytes of options",
			l.IP.Src, l.IP.Dst, l.IP.Protocol, l.IP.TTL, l.IP.Length, l.IP.Offset, l.IP.More, len(l.IP.Options))
	}
	switch {
	case l.Has&rawdiag.HasTCP != 0:
		v.transport = fmt.Sprintf("TCP %d to %d, seq %d, ack %d, flags %02x, window %d, options %x",
			l.TCP.Src, l.TCP.Dst, l.TCP.Seq, l.TCP.Ack, uint8(l.TCP.Flags), l.TCP.Window, l.TCP.Options)
		if l.Has&rawdiag.HasFragment == 0 { // tshark does not say it of a fragment
			v.transport += fmt.Sprintf(", length %d", l.TCP.Length)
		}
	case l.Has&rawdiag.HasUDP != 0:
		v.transport = fmt.Sprintf("UDP %d to %d, length %d", l.UDP.Src, l.UDP.Dst, l.UDP.Length)
	case l.Has&rawdiag.HasICMP != 0:
		v.transport = fmt.Sprintf("ICMP %d/%d", l.ICMP.Type, l.ICMP.Code)
	}
	if l.Has&rawdiag.HasICMP == 0 { // others go on into ICMP's data
		v.payload = hex.EncodeToString(l.Payload)
	}
	return v, err
}

// tsharkFields are what tshark is asked for, each where it is seen first.
var tsharkFields = strings.Fields(`frame.protocols eth.src eth.dst eth.type vlan.etype ieee8021ad.id vlan.id
	ip.src ip.dst ip.proto ip.ttl ip.len ip.frag_offset ip.flags.mf ip.hdr_len ip.checksum.status
	ipv6.src ipv6.dst ipv6.nxt ipv6.hlim ipv6.plen ipv6.fraghdr.offset ipv6.fraghdr.more
	ipv6.hopopts.nxt ipv6.dstopts.nxt ipv6.routing.nxt ipv6.fraghdr.nxt
	tcp.srcport tcp.dstport tcp.seq_raw tcp.ack_raw tcp.flags tcp.window_size_value tcp.options tcp.len tcp.payload tcp.checksum.status
	udp.srcport udp.dstport udp.length udp.payload udp.checksum.status
	icmp.type icmp.code icmp.checksum.status icmpv6.type icmpv6.code icmpv6.checksum.status data.data _ws.short`)

// seenByTshark has tshark read frames. It puts no fragments together, and numbers
// bytes of TCP as they are on the wire.
func seenByTshark(t *testing.T, frames []recorded) []map[string]string {
	t.Helper()
	args := []string{"-n", "-r", pcap(t, frames), "-T", "fields", "-E", "separator=|", "-E", "occurrence=f"}
	for _, preference := range []string{
		"ip.defragment:FALSE", "ipv6.defragment:FALSE", "tcp.relative_sequence_numbers:FALSE",
		"ip.check_checksum:TRUE", "tcp.check_checksum:TRUE", "udp.check_checksum:TRUE",
	} {
		args = append(args, "-o", preference)
	}
	for _, f := range tsharkFields {
		args = append(args, "-e", f)
	}
	var seen []map[string]string
	for line := range strings.Lines(output(t, other(t, "tshark", "tshark"), args...)) {
		row := map[string]string{}
		for i, value := range strings.Split(strings.TrimSuffix(line, "\n"), "|") {
			row[tsharkFields[i]] = value
		}
		seen = append(seen, row)
	}
	require.Len(t, seen, len(frames), "tshark reads every frame")
	return seen
}

// viewOfTshark is what tshark sees.
func viewOfTshark(row map[string]string) view {
	var v view
	typ := row["eth.type"]
	if row["vlan.etype"] != "" {
		typ = row["vlan.etype"]
	}
	v.ethernet = fmt.Sprintf("%s to %s, type %s", row["eth.src"], row["eth.dst"], strings.TrimPrefix(typ, "0x"))
	for _, id := range []string{row["ieee8021ad.id"], row["vlan.id"]} {
		if id != "" && id != "0" {
			v.ethernet += ", VLAN " + id
		}
	}
	v.payload = row["data.data"]
	// What is in an ICMP message has these names as well, so the order matters.
	chain := strings.Split(row["frame.protocols"], ":")
	at := slices.IndexFunc(chain, func(p string) bool { return p == "ip" || p == "ipv6" })
	if at < 0 {
		return v
	}
	offset, more, options, protocol, length, ttl := row["ip.frag_offset"], row["ip.flags.mf"], number(row["ip.hdr_len"])-20, row["ip.proto"], number(row["ip.len"]), row["ip.ttl"]
	if chain[at] == "ipv6" {
		offset, more, options, protocol, length, ttl = "0", "0", 0, row["ipv6.nxt"], 40+number(row["ipv6.plen"]), row["ipv6.hlim"]
		for at+1 < len(chain) && strings.HasPrefix(chain[at+1], "ipv6.") {
			at++
			protocol = row[chain[at]+".nxt"]
			if chain[at] == "ipv6.fraghdr" {
				offset, more = row["ipv6.fraghdr.offset"], row["ipv6.fraghdr.more"]
			}
		}
	}
	v.ip = fmt.Sprintf("%s to %s, protocol %s, TTL %s, length %d, offset %d, more %v, %d bytes of options",
		row["ip.src"]+row["ipv6.src"], row["ip.dst"]+row["ipv6.dst"], protocol, ttl, length, 8*number(offset), more == "1", options)
	if at+1 == len(chain) {
		return v
	}
	switch chain[at+1] {
	case "tcp":
		v.transport = fmt.Sprintf("TCP %s to %s, seq %s, ack %s, flags %02x, window %s, options %s", row["tcp.srcport"], row["tcp.dstport"],
			row["tcp.seq_raw"], row["tcp.ack_raw"], number(row["tcp.flags"]), row["tcp.window_size_value"], row["tcp.options"])
		if row["tcp.len"] != "" {
			v.transport += ", length " + row["tcp.len"]
		}
		v.payload = row["tcp.payload"]
	case "udp":
		v.transport = fmt.Sprintf("UDP %s to %s, length %s", row["udp.srcport"], row["udp.dstport"], row["udp.length"])
		v.payload = row["udp.payload"]
	case "icmp":
		v.transport, v.payload = fmt.Sprintf("ICMP %s/%s", row["icmp.type"], row["icmp.code"]), ""
	case "icmpv6":
		v.transport, v.payload = fmt.Sprintf("ICMP %s/%s", row["icmpv6.type"], row["icmpv6.code"]), ""
	}
	return v
}

// number is a number as tshark prints it, 0 of nothing.
func number(s string) int {
	n, _ := strconv.ParseInt(s, 0, 64)
	return int(n)
}

// whole are so many frames as they are on the wire.
func whole(n int, next func() []byte) []recorded {
	frames := make([]recorded, n)
	for i := range frames {
		frames[i].frame = next()
		frames[i].length = len(frames[i].frame)
	}
	return frames
}

func TestDecodeSeesWhatTsharkSees(t *testing.T) {
	r := random(t)
	frames := whole(500, func() []byte { return randomFrame(r) })
	checked := 0
	for i, row := range seenByTshark(t, frames) {
		got, err := viewOf(frames[i].frame)
		require.NoError(t, err, "%x", frames[i].frame)
		require.Equal(t, viewOfTshark(row), got, "frame %d: %x\n%s", i, frames[i].frame, row["frame.protocols"])
		for _, p := range []string{"ip", "tcp", "udp", "icmp", "icmpv6"} {
			if status := row[p+".checksum.status"]; status != "" {
				require.NotEqual(t, "0", status, "tshark finds the checksum of %s in frame %d wrong: %x", p, i, frames[i].frame)
				checked += number(status) & 1 // 1 is right, 2 is not looked at
			}
		}
	}
	require.Greater(t, checked, len(frames)/2, "tshark looks at checksums")
}

func TestDecodeEndsWhereTsharkEnds(t *testing.T) {
	r := random(t)
	frames := whole(500, func() []byte { return randomFrame(r) })
	for i := range frames {
		frames[i].frame = frames[i].frame[:14+r.IntN(min(100, len(frames[i].frame)-13))]
	}
	short := 0
	for i, row := range seenByTshark(t, frames) {
		got, err := viewOf(frames[i].frame)
		what := fmt.Sprintf("frame %d, of %d bytes: %x\n%s", i, frames[i].length, frames[i].frame, row["frame.protocols"])
		if err != nil {
			require.ErrorIs(t, err, rawdiag.ErrShort, what)
			require.NotEmpty(t, row["_ws.short"], "tshark has all headers of "+what)
			short++
			continue
		}
		require.Equal(t, viewOfTshark(row), got, what)
	}
	require.Greater(t, short, len(frames)/10)
}

// viewOfGopacket is what gopacket sees in a frame, and false in one with a fragment,
// which it leaves alone, or with what it does not take apart to the end.
func viewOfGopacket(frame []byte) (view, bool) {
	var v view
	p := gopacket.NewPacket(frame, layers.LinkTypeEthernet, gopacket.NoCopy)
	if p.ErrorLayer() != nil {
		return v, false
	}
	var ethernet, vlans, addresses, rest string
	var typ layers.EthernetType
	var protocol layers.IPProtocol
	for _, l := range p.Layers() {
		switch l := l.(type) {
		case *layers.Ethernet:
			ethernet, typ, v.payload = fmt.Sprintf("%v to %v", l.SrcMAC, l.DstMAC), l.EthernetType, hex.EncodeToString(l.Payload)
		case *layers.Dot1Q:
			typ, v.payload = l.Type, hex.EncodeToString(l.Payload)
			if l.VLANIdentifier != 0 {
				vlans += fmt.Sprintf(", VLAN %d", l.VLANIdentifier)
			}
		case *layers.IPv4:
			if l.FragOffset != 0 || l.Flags&layers.IPv4MoreFragments != 0 {
				return v, false
			}
			addresses, protocol, v.payload = fmt.Sprintf("%v to %v", l.SrcIP, l.DstIP), l.Protocol, hex.EncodeToString(l.Payload)
			rest = fmt.Sprintf("TTL %d, length %d, offset 0, more false, %d bytes of options", l.TTL, l.Length, 4*int(l.IHL)-20)
		case *layers.IPv6:
			addresses, protocol, v.payload = fmt.Sprintf("%v to %v", l.SrcIP, l.DstIP), l.NextHeader, hex.EncodeToString(l.Payload)
			rest = fmt.Sprintf("TTL %d, length %d, offset 0, more false, 0 bytes of options", l.HopLimit, 40+int(l.Length))
		case *layers.IPv6HopByHop:
			protocol, v.payload = l.NextHeader, hex.EncodeToString(l.Payload)
		case *layers.IPv6Destination:
			protocol, v.payload = l.NextHeader, hex.EncodeToString(l.Payload)
		case *layers.IPv6Routing:
			protocol, v.payload = l.NextHeader, hex.EncodeToString(l.Payload)
		case *layers.IPv6Fragment:
			return v, false
		case *layers.TCP:
			v.transport = fmt.Sprintf("TCP %d to %d, seq %d, ack %d, flags %02x, window %d, options %x, length %d",
				l.SrcPort, l.DstPort, l.Seq, l.Ack, l.Contents[13], l.Window, l.Contents[20:], len(l.Payload))
			v.payload = hex.EncodeToString(l.Payload)
		case *layers.UDP:
			v.transport, v.payload = fmt.Sprintf("UDP %d to %d, length %d", l.SrcPort, l.DstPort, l.Length), hex.EncodeToString(l.Payload)
		case *layers.ICMPv4:
			v.transport, v.payload = fmt.Sprintf("ICMP %d/%d", l.TypeCode.Type(), l.TypeCode.Code()), ""
		case *layers.ICMPv6:
			v.transport, v.payload = fmt.Sprintf("ICMP %d/%d", l.TypeCode.Type(), l.TypeCode.Code()), ""
		}
	}
	v.ethernet = fmt.Sprintf("%s, type %04x%s", ethernet, uint16(typ), vlans)
	if addresses != "" {
		v.ip = fmt.Sprintf("%s, protocol %d, %s", addresses, protocol, rest)
	}
	return v, true
}

func TestDecodeSeesWhatGopacketSees(t *testing.T) {
	r := random(t)
	compared := 0
	for range 2000 {
		frame := randomFrame(r)
		want, ok := viewOfGopacket(frame)
		if !ok {
			continue
		}
		got, err := viewOf(frame)
		require.NoError(t, err, "%x", frame)
		require.Equal(t, want, got, "%x", frame)
		compared++
	}
	require.Greater(t, compared, 1000)
}

func FuzzDecode(f *testing.F) {
	r := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		frame := randomFrame(r)
		f.Add(frame)
		f.Add(frame[:r.IntN(len(frame))])
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		must := func(ok bool, law string) { // require is slow, and this is done very often
			if !ok {
				t.Helper()
				t.Fatal("it does not hold that", law)
			}
		}
		before := bytes.Clone(frame)
		l, used := rawdiag.Layers{}, rawdiag.Layers{
			Has: 1<<16 - 1, VLANs: [2]uint16{1, 2}, IP: rawdiag.IP{Offset: 8, More: true}, Payload: []byte("before"),
		}
		err := rawdiag.Decode(frame, &l)
		must(err == nil || err == rawdiag.ErrShort || err == rawdiag.ErrMalformed, "an error is one of those that are documented")
		must(bytes.Equal(before, frame), "a frame is only read")
		must(err == rawdiag.Decode(frame, &used) && l.Has == used.Has && bytes.Equal(l.Payload, used.Payload), "what is left of an earlier frame does not matter")

		has := func(some rawdiag.Has) bool { return l.Has&some != 0 }
		count := func(all ...rawdiag.Has) (n int) {
			for _, one := range all {
				if has(one) {
					n++
				}
			}
			return n
		}
		network := count(rawdiag.HasIPv4, rawdiag.HasIPv6)
		must(has(rawdiag.HasEthernet) == (len(frame) >= 14), "14 bytes are an Ethernet header")
		must(network <= 1, "a frame is not IPv4 and IPv6")
		must(count(rawdiag.HasTCP, rawdiag.HasUDP, rawdiag.HasICMP) <= network, "a packet has one transport")
		must(network == 1 || !has(rawdiag.HasFragment), "only a packet can be a fragment")
		must(within(frame, l.Payload), "the payload is in the frame")

		headers := 0 // all of them, at least
		if has(rawdiag.HasEthernet) {
			headers = 14
		}
		if has(rawdiag.HasVLAN) {
			headers += 4
		}
		if has(rawdiag.HasIPv4) {
			must(within(frame, l.IP.Options), "IPv4 options are in the frame")
			must(l.IP.Src.Is4() && l.IP.Dst.Is4() && l.IP.Length >= 20+len(l.IP.Options), "an IPv4 packet has a header")
			headers += 20 + len(l.IP.Options)
		}
		if has(rawdiag.HasIPv6) {
			must(l.IP.Src.Is6() && l.IP.Dst.Is6() && l.IP.Length >= 40, "an IPv6 packet has a header")
			headers += 40
		}
		switch {
		case has(rawdiag.HasTCP):
			must(within(frame, l.TCP.Options), "TCP options are in the frame")
			must(l.TCP.Length >= len(l.Payload), "a segment has no more data than its packet says")
			headers += 20 + len(l.TCP.Options)
		case has(rawdiag.HasUDP):
			must(l.UDP.Length-8 >= len(l.Payload), "a datagram has no more data than it says")
			headers += 8
		case has(rawdiag.HasICMP):
			headers += 8
		}
		must(headers+len(l.Payload) <= len(frame), "the payload is behind the headers")
		must(network == 0 || len(l.Payload) < l.IP.Length, "padding is no payload")
		if src, dst := l.Endpoints(); !has(rawdiag.HasTCP | rawdiag.HasUDP) {
			must(src.Port()|dst.Port() == 0, "only TCP and UDP have ports")
		}
		if err == nil {
			longer := append(before, 0, 0)
			must(rawdiag.Decode(longer, &used) == nil && l.Has == used.Has, "padding behind a right frame changes nothing")
		}
	})
}

// within reports whether a part of a frame is one: it shares its memory.
func within(frame, part []byte) bool {
	begin, at := uintptr(unsafe.Pointer(unsafe.SliceData(frame))), uintptr(unsafe.Pointer(unsafe.SliceData(part)))
	return len(part) == 0 || begin <= at && at+uintptr(len(part)) <= begin+uintptr(len(frame))
}
