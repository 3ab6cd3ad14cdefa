package rawdiag_test

import (
	"cmp"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	rawdiag "workbook.example/solutions/05-raw-diagnostics"
	"workbook.example/tools/netlab"
)

// A conversation is a TCP connection as a capture at its client sees it, with losses
// and what TCP does about them.
type conversation struct {
	*rand.Rand
	ends [2]netip.AddrPort // the client first
	next [2]uint32         // sequence numbers
	rtt  time.Duration
	at   time.Time
	seen []recorded
}

// later lets time go by: at least half of d.
func (c *conversation) later(d time.Duration) { c.at = c.at.Add(d/2 + c.N(d)) }

func (c *conversation) N(d time.Duration) time.Duration { return time.Duration(c.Int64N(int64(d))) }

// segment is captured.
func (c *conversation) segment(side int, flags rawdiag.TCPFlags, seq uint32, data int) {
	h := rawdiag.TCPHeader{Src: c.ends[side].Port(), Dst: c.ends[1-side].Port(), Seq: seq, Flags: flags, Window: 8192}
	if flags&rawdiag.ACK != 0 {
		h.Ack = c.next[1-side]
	}
	src, dst := c.ends[side].Addr(), c.ends[1-side].Addr()
	b := []byte{2, 0, 0, 0, 0, byte(2 - side), 2, 0, 0, 0, 0, byte(1 + side), 8, 0}
	if src.Is6() {
		b[12], b[13] = 0x86, 0xdd
	}
	b = append(b, netlab.Build(src, dst, netlab.TCP, 64, segmentTCP(src, dst, h, make([]byte, data)))...)
	c.seen = append(c.seen, recorded{at: c.at, frame: b, length: len(b)})
}

// again does something once, and in one of four times some more times, later and later.
func (c *conversation) again(f func()) {
	f()
	for timeout := 200 * time.Millisecond; chance(c.Rand, 4); timeout *= 2 {
		c.later(timeout)
		f()
	}
}

// open opens the connection.
func (c *conversation) open() {
	c.next = [2]uint32{c.Uint32(), c.Uint32()}
	if chance(c.Rand, 3) {
		c.next[c.IntN(2)] = -uint32(3 + c.IntN(300)) // it will begin again at 0
	}
	c.again(func() { c.segment(0, rawdiag.SYN, c.next[0], 0) })
	c.next[0]++
	c.later(c.rtt)
	c.again(func() { c.segment(1, rawdiag.SYN|rawdiag.ACK, c.next[1], 0) })
	c.next[1]++
	c.later(time.Millisecond)
	c.segment(0, rawdiag.ACK, c.next[0], 0)
}

// say has one side send some segments, to which something may happen.
func (c *conversation) say(side int) {
	type piece struct {
		seq  uint32
		data int
	}
	var all []piece
	for range 1 + c.IntN(5) {
		p := piece{c.next[side], 1 + c.IntN(pick(c.Rand, 1, 100))}
		if end := p.seq + uint32(p.data); end == 0 || end+1 == 0 {
			p.data += 2 // tshark takes a next number of 0 for none
		}
		c.next[side] += uint32(p.data)
		all = append(all, p)
	}
	show := func(p piece) {
		c.segment(side, rawdiag.PSH|rawdiag.ACK, p.seq, p.data)
		c.later(200 * time.Microsecond)
	}
	acknowledge := func(n int) {
		c.later(c.rtt)
		for range n {
			c.segment(1-side, rawdiag.ACK, c.next[1-side], 0)
			c.later(200 * time.Microsecond)
		}
	}
	i := c.IntN(len(all))
	switch c.IntN(6) {
	case 0: // one is lost behind the place of the capture, and sent again
		for _, p := range all {
			show(p)
		}
		acknowledge(len(all) - 1 - i)
		c.again(func() { c.later(300 * time.Millisecond); show(all[i]) })
	case 1: // one is lost before that place
		for j, p := range all {
			if j != i {
				show(p)
			}
		}
		c.later(300 * time.Millisecond)
		show(all[i])
	case 2: // one is overtaken by the next
		if i+1 < len(all) {
			all[i], all[i+1] = all[i+1], all[i]
		}
		for _, p := range all {
			show(p)
		}
	case 3: // an acknowledgement is lost, and all is sent again
		for range 2 {
			for _, p := range all {
				show(p)
			}
			c.later(400 * time.Millisecond)
		}
	default:
		for _, p := range all {
			show(p)
		}
	}
	acknowledge(1)
	if chance(c.Rand, 8) { // long silence, and a keep-alive
		c.later(10 * time.Second)
		c.segment(side, rawdiag.ACK, c.next[side]-1, c.IntN(2))
		acknowledge(1)
	}
}

// close closes the connection, from both sides or by a reset.
func (c *conversation) close() {
	side := c.IntN(2)
	c.later(c.rtt)
	if chance(c.Rand, 4) {
		c.segment(side, rawdiag.RST|rawdiag.ACK, c.next[side], 0)
		return
	}
	for _, side := range []int{side, 1 - side} {
		c.again(func() { c.segment(side, rawdiag.FIN|rawdiag.ACK, c.next[side], 0) })
		c.next[side]++
		c.later(c.rtt)
	}
	c.segment(side, rawdiag.ACK, c.next[side], 0)
}

// traffic is a capture of conversations, some of which use ports again, and of
// datagrams.
func traffic(r *rand.Rand) []recorded {
	began := time.Date(2026, 1, 2, 3, 4, 5, r.IntN(1e9), time.UTC)
	var all []recorded
	for i := range 24 {
		hosts := [][]netip.Addr{hosts4[:2], hosts6[:2]}[i%2]
		port := uint16(10000 + i)
		if i%5 == 0 {
			port = 53 // a client's port may be less than the server's
		}
		c := conversation{Rand: r, at: began.Add(time.Duration(r.Int64N(int64(time.Second)))), rtt: time.Duration(1+r.IntN(80)) * time.Millisecond}
		c.ends = [2]netip.AddrPort{netip.AddrPortFrom(hosts[r.IntN(2)], port), netip.AddrPortFrom(hosts[r.IntN(2)], uint16(8000+i))}
		for range 1 + r.IntN(3) {
			c.open()
			for range r.IntN(7) {
				c.say(r.IntN(2))
			}
			c.close()
			c.later(time.Second)
		}
		all = append(all, c.seen...)
	}
	for range 100 {
		frame := randomFrame(r)
		var l rawdiag.Layers
		if rawdiag.Decode(frame, &l) == nil && l.Has&(rawdiag.HasUDP|rawdiag.HasFragment) == rawdiag.HasUDP {
			all = append(all, recorded{at: began.Add(time.Duration(r.Int64N(int64(time.Minute)))), frame: frame, length: len(frame)})
		}
	}
	slices.SortStableFunc(all, func(a, b recorded) int { return a.at.Compare(b.at) })
	for i := range all { // as captures often are, cut behind the headers
		all[i].frame = all[i].frame[:min(len(all[i].frame), 100+r.IntN(100))]
	}
	return all
}

// flows are what Flows makes of a capture.
func flows(frames []recorded) []rawdiag.Flow {
	var f rawdiag.Flows
	for _, r := range frames {
		var l rawdiag.Layers
		_ = rawdiag.Decode(r.frame, &l)
		f.Add(r.at, &l, r.length)
	}
	return f.All()
}

// A counted flow is what is said of a conversation, with its ends in the order of
// their names.
type counted struct {
	ends    [2]string
	packets [2]int // from the first end, and from the second
	bytes   [2]int
	began   time.Duration // since the first frame
	took    time.Duration
}

// String leaves out how long it took, which tshark rounds.
func (c counted) String() string {
	return fmt.Sprintf("%s, %s: %v packets, %v bytes, from %v on", c.ends[0], c.ends[1], c.packets, c.bytes, c.began)
}

// ordered puts the ends into order.
func (c counted) ordered() counted {
	if c.ends[0] > c.ends[1] {
		c.ends[0], c.ends[1] = c.ends[1], c.ends[0]
		c.packets[0], c.packets[1] = c.packets[1], c.packets[0]
		c.bytes[0], c.bytes[1] = c.bytes[1], c.bytes[0]
	}
	return c
}

func byEnds(a, b counted) int {
	return cmp.Or(cmp.Compare(a.ends[0], b.ends[0]), cmp.Compare(a.ends[1], b.ends[1]), cmp.Compare(a.began, b.began))
}

// seconds is a time as tshark prints it.
func seconds(t *testing.T, s string) time.Duration {
	t.Helper()
	d, err := time.ParseDuration(s + "s")
	require.NoError(t, err)
	return d
}

// conversations reads a table of tshark -z conv: a line has two ends, and frames and
// bytes from the second end, from the first, and of both, and when, and how long.
func conversations(t *testing.T, table string) (all []counted) {
	t.Helper()
	for line := range strings.Lines(table) {
		ends, rest, ok := strings.Cut(line, "<->")
		if !ok {
			continue
		}
		f := strings.Fields(strings.ReplaceAll(rest, ",", ""))
		require.Len(t, f, 12, line)
		require.Equal(t, "bytes bytes", f[3]+" "+f[6], "tshark rounds what is more than 10 kB: %s", line)
		all = append(all, counted{
			ends:    [2]string{strings.TrimSpace(ends), f[0]},
			packets: [2]int{number(f[4]), number(f[1])},
			bytes:   [2]int{number(f[5]), number(f[2])},
			began:   seconds(t, f[10]), took: seconds(t, f[11]),
		}.ordered())
	}
	slices.SortFunc(all, byEnds)
	return all
}

// ending is an endpoint as tshark writes it.
func ending(a netip.AddrPort) string { return fmt.Sprintf("%v:%d", a.Addr(), a.Port()) }

func TestFlowsAreTsharksConversations(t *testing.T) {
	exe := other(t, "tshark", "tshark")
	frames := traffic(random(t))
	var ours []counted
	for _, f := range flows(frames) {
		ours = append(ours, counted{
			ends:    [2]string{ending(f.A), ending(f.B)},
			packets: [2]int{f.AB.Packets, f.BA.Packets}, bytes: [2]int{f.AB.Bytes, f.BA.Bytes},
			began: f.First.Sub(frames[0].at), took: f.Last.Sub(f.First),
		}.ordered())
	}
	slices.SortFunc(ours, byEnds)
	theirs := conversations(t, output(t, exe, "-n", "-r", pcap(t, frames), "-q", "-z", "conv,tcp", "-z", "conv,udp"))
	for i := range min(len(ours), len(theirs)) {
		require.Equal(t, theirs[i].String(), ours[i].String())
		require.InDelta(t, theirs[i].took, ours[i].took, float64(100*time.Microsecond), "how long it took: %v", ours[i])
	}
	require.Len(t, ours, len(theirs))
}

func TestRetransmissionsAreTsharks(t *testing.T) {
	exe := other(t, "tshark", "tshark")
	frames := traffic(random(t))
	// It has four names for what Flows counts as one: a capture cannot tell them apart
	// for sure.
	const again = "tcp.analysis.retransmission || tcp.analysis.fast_retransmission || tcp.analysis.spurious_retransmission || tcp.analysis.out_of_order"
	file := pcap(t, frames)
	fields := func(filter string, names ...string) (rows [][]string) {
		args := []string{"-n", "-r", file, "-Y", filter, "-T", "fields", "-E", "separator=|"}
		for _, name := range names {
			args = append(args, "-e", name)
		}
		for line := range strings.Lines(output(t, exe, args...)) {
			rows = append(rows, strings.Split(strings.TrimSuffix(line, "\n"), "|"))
		}
		return rows
	}
	sender := func(row []string) string { return row[1] + row[2] + ":" + row[3] }

	// tshark numbers its streams in the order in which they begin, as Flows does.
	want := map[string]int{}
	for _, row := range fields(again, "tcp.stream", "ip.src", "ipv6.src", "tcp.srcport") {
		want[row[0]+" "+sender(row)]++
	}
	rtts := map[string]string{} // of the first SYN-ACK that answers a SYN
	for _, row := range fields("tcp.flags.syn == 1 && tcp.flags.ack == 1 && tcp.analysis.ack_rtt", "tcp.stream", "tcp.analysis.ack_rtt") {
		if rtts[row[0]] == "" {
			rtts[row[0]] = row[1]
		}
	}
	stream, retransmissions, timed := 0, 0, 0
	for _, f := range flows(frames) {
		if f.Protocol != rawdiag.TCP {
			continue
		}
		id := fmt.Sprint(stream)
		what := fmt.Sprintf("stream %s, %v to %v, began %v after the first frame", id, f.A, f.B, f.First.Sub(frames[0].at))
		require.Equal(t, want[id+" "+ending(f.A)], f.AB.Retransmissions, "of the client: %s", what)
		require.Equal(t, want[id+" "+ending(f.B)], f.BA.Retransmissions, "of the server: %s", what)
		if f.HandshakeRTT != 0 {
			require.Equal(t, seconds(t, rtts[id]), f.HandshakeRTT, what)
			timed++
		}
		retransmissions += f.AB.Retransmissions + f.BA.Retransmissions
		stream++
	}
	require.Greater(t, retransmissions, 20)
	require.Greater(t, timed, stream/2, "most of the SYNs are sent once")
}
