package rawdiag_test

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	rawdiag "workbook.example/labs/05-raw-diagnostics"
	"workbook.example/tools/labtest"
	"workbook.example/tools/netlab"
)

// routers are the addresses of n routers on the way to a destination.
func routers(v version, n int) []string {
	var all []string
	for i := range n {
		if v.here.Is4() {
			all = append(all, fmt.Sprintf("10.1.%d.1", i+1))
		} else {
			all = append(all, fmt.Sprintf("fd00:0:0:1::%d", i+1))
		}
	}
	return all
}

// path is a way over n plain routers.
func path(v version, n int) *netlab.Path {
	return &netlab.Path{Hops: netlab.Hops(routers(v, n)...), Dst: v.dst}
}

var methods = map[rawdiag.Method]string{rawdiag.UDPProbes: "UDP probes", rawdiag.EchoProbes: "echo probes"}

// A traced is what came of a trace on fake time.
type traced struct {
	hops []rawdiag.Hop
	err  error
	took time.Duration
	conn *memory
}

// trace traces on fake time a way that a script plays.
func trace(t *labtest.T, v version, o rawdiag.TraceOptions, script func(netlab.Packet) []netlab.Reply) (r traced) {
	t.Helper()
	t.FakeTime(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		r.conn = remember(v.here.String(), script)
		began := time.Now()
		r.hops, r.err = rawdiag.Trace(ctx, r.conn, v.dst, o)
		r.took = time.Since(began)
	})
	if r.err != nil {
		t.Broken("Trace returned %s.", orNone(r.err))
	}
	if r.took >= time.Hour {
		t.Broken("Trace had not ended after an hour.")
	}
	return r
}

// shown are hops in a sentence: the first answer of each, and how many there are.
func shown(hops []rawdiag.Hop) string {
	var all []string
	for _, h := range hops {
		if len(h.Answers) == 0 {
			all = append(all, fmt.Sprintf("%d: no probe", h.TTL))
			continue
		}
		all = append(all, fmt.Sprintf("%d: %s", h.TTL, who(h.Answers[0])))
	}
	if len(all) == 0 {
		return "no hop at all"
	}
	const most = 8
	if len(all) > most {
		return strings.Join(all[:most], ", ") + fmt.Sprintf(", … (%d hops)", len(all))
	}
	return strings.Join(all, ", ")
}

func who(a rawdiag.Answer) string {
	if !a.From.IsValid() {
		return "*"
	}
	return a.From.String() + a.Mark()
}

// expectWay compares hops with the routers that they must be; "*" is silence. Each
// has so many answers, all alike.
func expectWay(t *labtest.T, what string, hops []rawdiag.Hop, queries int, want ...string) {
	t.Helper()
	if len(hops) != len(want) {
		t.Broken("%s. Trace found %s; expected %s.", what, shown(hops), strings.Join(want, ", "))
	}
	for i, h := range hops {
		if h.TTL != i+1 {
			t.Broken("%s. Hop %d is said to have TTL %d.", what, i+1, h.TTL)
		}
		if len(h.Answers) != queries {
			t.Broken("%s. Hop %d has %d answers; expected %d, one a probe.", what, i+1, len(h.Answers), queries)
		}
		for q, a := range h.Answers {
			if who(a) != want[i] {
				t.Broken("%s. Answer %d of hop %d is %s; expected %s. Trace found %s.", what, q+1, i+1, who(a), want[i], shown(hops))
			}
		}
	}
}

// each calls f for each version of IP and each method.
func eachTrace(f func(v version, m rawdiag.Method, what string)) {
	for _, v := range versions {
		for _, m := range []rawdiag.Method{rawdiag.UDPProbes, rawdiag.EchoProbes} {
			f(v, m, "With "+methods[m]+" over "+v.name)
		}
	}
}

func TestEachRouterIsOneHopFurther(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	eachTrace(func(v version, m rawdiag.Method, what string) {
		want := append(routers(v, 4), v.dst.String())
		r := trace(t, v, rawdiag.TraceOptions{Method: m}, path(v, 4).Answer)
		expectWay(t, what+", over 4 routers", r.hops, 3, want...)
		r = trace(t, v, rawdiag.TraceOptions{Method: m, Queries: 1}, path(v, 0).Answer)
		expectWay(t, what+", to a host on the same cable", r.hops, 1, v.dst.String())
	})
}

func TestWayEndsAtItsDestination(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	eachTrace(func(v version, m rawdiag.Method, what string) {
		// The destination is quicker than everybody on the way to it.
		p := path(v, 3)
		for i := range p.Hops {
			p.Hops[i].After = ms(100 * (3 - i))
		}
		r := trace(t, v, rawdiag.TraceOptions{Method: m}, p.Answer)
		expectWay(t, what+", over 3 routers that are slower than the destination", r.hops, 3, append(routers(v, 3), v.dst.String())...)
		if r.took > ms(301) {
			t.Broken("%s, the last answer came after 300 ms, and Trace returned after %v: nothing that is further away than the destination is worth waiting for.", what, r.took)
		}
		r = trace(t, v, rawdiag.TraceOptions{Method: m}, func(probe netlab.Packet) []netlab.Reply {
			replies := p.Answer(probe)
			if probe.TTL > 3 {
				replies[0].After = ms(100 - probe.TTL)
			}
			return replies
		})
		expectWay(t, what+", over 3 routers, to a destination that answers sooner, the further away a probe could have gone", r.hops, 3, append(routers(v, 3), v.dst.String())...)
		r = trace(t, v, rawdiag.TraceOptions{Method: m, MaxHops: 2}, p.Answer)
		expectWay(t, what+", over 3 routers, with at most 2 hops", r.hops, 3, routers(v, 2)...)
	})
}

func TestSilentRouterHoldsNobodyUp(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	eachTrace(func(v version, m rawdiag.Method, what string) {
		p := path(v, 3)
		p.Hops[1].Silent = true
		r := trace(t, v, rawdiag.TraceOptions{Method: m}, p.Answer)
		want := append(routers(v, 3), v.dst.String())
		want[1] = "*"
		expectWay(t, what+", over 3 routers of which the second is silent", r.hops, 3, want...)
		if r.took > ms(1100) {
			t.Broken("%s, one router was silent, the timeout is a second, and Trace took %v: its three probes can wait together, and the others need not wait for them.", what, r.took)
		}
		// Nobody at all answers: 30 probes, as many at once as are allowed.
		dead := func(netlab.Packet) []netlab.Reply { return nil }
		for parallel, most := range map[int]time.Duration{30: ms(1100), 10: ms(3100)} {
			r := trace(t, v, rawdiag.TraceOptions{Method: m, MaxHops: 10, Parallel: parallel}, dead)
			if r.took > most {
				t.Broken("%s, nobody answered 30 probes, of which %d may be on their way at once, with a timeout of a second; Trace took %v; expected %v at most.", what, parallel, r.took, most)
			}
		}
	})
}

func TestNoMoreThanParallelAtOnce(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	v := versions[0]
	for _, parallel := range []int{1, 5} {
		var on atomic.Int64 // the way
		var most int64
		trace(t, v, rawdiag.TraceOptions{MaxHops: 8, Parallel: parallel}, func(p netlab.Packet) []netlab.Reply {
			most = max(most, on.Add(1))
			time.AfterFunc(ms(9), func() { on.Add(-1) })
			return []netlab.Reply{{After: ms(10), Raw: netlab.TimeExceeded(v.router, p, 0)}}
		})
		if most != int64(parallel) {
			t.Broken("%d probes may be on their way at once; of 24 probes, each answered after 10 ms, %d were.", parallel, most)
		}
	}
}

func TestAnswerIsOfWhatItQuotes(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	eachTrace(func(v version, m rawdiag.Method, what string) {
		// The nearest answers last: answers arrive in the opposite order.
		p := path(v, 3)
		for i := range p.Hops {
			p.Hops[i].After = ms(50 * (4 - i))
		}
		p.At.After = ms(50)
		r := trace(t, v, rawdiag.TraceOptions{Method: m}, p.Answer)
		expectWay(t, what+", with answers that arrive in the opposite order", r.hops, 3, append(routers(v, 3), v.dst.String())...)
		for i, h := range r.hops {
			for _, a := range h.Answers {
				if want := ms(50 * (4 - i)); a.RTT != want {
					t.Broken("%s, hop %d answered after %v, and is said to have taken %v.", what, i+1, want, a.RTT)
				}
			}
		}
		// One router answers for all: only the quote tells which probe it was.
		r = trace(t, v, rawdiag.TraceOptions{Method: m, MaxHops: 3, Queries: 2}, func(p netlab.Packet) []netlab.Reply {
			return []netlab.Reply{{After: ms(100 - 10*p.TTL), Raw: netlab.TimeExceeded(v.router, p, 0)}}
		})
		expectWay(t, what+", with one address for all routers", r.hops, 2, v.router.String(), v.router.String(), v.router.String())
		for i, h := range r.hops {
			if want := ms(100 - 10*(i+1)); h.Answers[0].RTT != want {
				t.Broken("%s, all routers have one address, and hop %d answered after %v; it is said to have taken %v.", what, i+1, want, h.Answers[0].RTT)
			}
		}
	})
}

func TestNoiseIsNoAnswer(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	eachTrace(func(v version, m rawdiag.Method, what string) {
		stranger := netip.MustParseAddr(map[bool]string{true: "10.7.7.7", false: "fd00::7777"}[v.here.Is4()])
		// other is the probe with some bytes behind its IP header changed.
		other := func(p netlab.Packet, change func(payload []byte)) netlab.Packet {
			raw := append([]byte(nil), p.Raw...)
			change(raw[len(raw)-len(p.Payload):])
			changed, _ := netlab.ParsePacket(raw)
			return changed
		}
		for _, c := range []struct {
			what string
			raw  func(p netlab.Packet) []byte
		}{
			{"a time exceeded for a packet to another host", func(p netlab.Packet) []byte {
				q, _ := netlab.ParsePacket(netlab.Build(v.here, stranger, p.Protocol, 1, p.Payload))
				return netlab.TimeExceeded(stranger, q, 0)
			}},
			{"a time exceeded for a packet of another program (other ports, or another identifier)", func(p netlab.Packet) []byte {
				return netlab.TimeExceeded(stranger, other(p, func(b []byte) { b[1] ^= 1; b[5] ^= 1 }), 0)
			}},
			{"an unreachable for a TCP segment to the same host", func(p netlab.Packet) []byte {
				q, _ := netlab.ParsePacket(netlab.Build(v.here, v.dst, netlab.TCP, 1, p.Payload))
				return netlab.Unreachable(stranger, q, int(v.hostUnreach), 0)
			}},
			{"an echo reply of another program, with the probe's number, and an identifier that is not ours", func(p netlab.Packet) []byte {
				reply := append([]byte(nil), p.Payload[4:]...)
				reply[1] ^= 1
				return netlab.BuildICMP(stranger, v.here, int(v.replyType), 0, reply)
			}},
			{"a message that is cut short", func(p netlab.Packet) []byte {
				return netlab.BuildICMP(stranger, v.here, int(v.exceeded), 0, append([]byte{0, 0, 0, 0}, p.Raw[:20]...))
			}},
		} {
			p := path(v, 2)
			for i := range p.Hops {
				p.Hops[i].After = ms(50)
			}
			p.At.After = ms(50)
			r := trace(t, v, rawdiag.TraceOptions{Method: m}, func(probe netlab.Packet) []netlab.Reply {
				return append(p.Answer(probe), netlab.Reply{After: ms(5), Raw: c.raw(probe)})
			})
			expectWay(t, what+", where 45 ms before each answer came "+c.what, r.hops, 3, append(routers(v, 2), v.dst.String())...)
		}
	})
}

func TestLateAnswerIsNone(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	v := versions[0]
	p := path(v, 3)
	p.Hops[0].After = ms(1500) // the timeout is 1 s
	p.At.After = ms(900)
	p.Hops[1].Times = 3 // and one that says all three times
	r := trace(t, v, rawdiag.TraceOptions{Parallel: 3}, p.Answer)
	want := append(routers(v, 3), v.dst.String())
	want[0] = "*"
	expectWay(t, "With a first router that answers after 1.5 s (the timeout is 1 s) and a second that says everything three times", r.hops, 3, want...)
}

func TestRefusalEndsTheWay(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	eachTrace(func(v version, m rawdiag.Method, what string) {
		for reason, mark := range map[netlab.Reason]string{netlab.NoNetwork: "!N", netlab.NoHost: "!H", netlab.Prohibited: "!X"} {
			p := path(v, 4)
			p.Hops[2].Stop = reason
			r := trace(t, v, rawdiag.TraceOptions{Method: m}, p.Answer)
			want := routers(v, 3)
			want[2] += mark
			expectWay(t, what+", where the third router lets nothing pass and says so", r.hops, 3, want...)
		}
	})
	for i, marks := range []map[uint8]string{
		{0: "!N", 1: "!H", 2: "!P", 3: "", 4: "!4", 9: "!X", 10: "!X", 13: "!X", 14: "!14"},
		{0: "!N", 1: "!X", 2: "!2", 3: "!H", 4: "", 6: "!6"},
	} {
		for code, want := range marks {
			a := rawdiag.Answer{From: versions[i].router, Kind: rawdiag.Unreachable, Code: code}
			if a.Mark() != want {
				t.Broken("Mark, of an answer of %v that something is unreachable, code %d, is %q; expected %q.", a.From, code, a.Mark(), want)
			}
		}
	}
}

func TestAllProbesGoOneWay(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	eachTrace(func(v version, m rawdiag.Method, what string) {
		r := trace(t, v, rawdiag.TraceOptions{Method: m}, path(v, 5).Answer)
		first := flow(m, r.conn.probes()[0])
		for i, p := range r.conn.probes() {
			if f := flow(m, p); f != first {
				t.Broken("%s, probe 1 has %s, and probe %d has %s. A router that shares load among several ways sends them along different ones, and Trace draws a way that is none.", what, first, i+1, f)
			}
		}
	})
}

// flow is what a router looks at that shares load among ways.
func flow(m rawdiag.Method, p netlab.Packet) string {
	if m == rawdiag.UDPProbes {
		return fmt.Sprintf("the ports %d and %d", binary.BigEndian.Uint16(p.Payload), binary.BigEndian.Uint16(p.Payload[2:]))
	}
	return fmt.Sprintf("the checksum %04x and the identifier %04x", binary.BigEndian.Uint16(p.Payload[2:]), binary.BigEndian.Uint16(p.Payload[4:]))
}

func TestLabelsAreTold(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	for _, v := range versions {
		p := path(v, 3)
		p.Hops[1].Labels = []uint32{16001, 24}
		r := trace(t, v, rawdiag.TraceOptions{}, p.Answer)
		expectWay(t, "Over "+v.name+", with a second router that tells of MPLS labels", r.hops, 3, append(routers(v, 3), v.dst.String())...)
		for i, h := range r.hops {
			for _, a := range h.Answers {
				if n := len(a.Labels); i == 1 && (n != 2 || a.Labels[0].Label != 16001 || a.Labels[1].Label != 24) || i != 1 && n != 0 {
					t.Broken("Over %s, the second router told of the MPLS labels 16001 and 24, and Trace has %v at hop %d.", v.name, a.Labels, i+1)
				}
			}
		}
	}
}

func TestTraceEndsWithItsContext(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	v := versions[0]
	p := path(v, 5)
	for i := range p.Hops {
		p.Hops[i].Silent = i > 1
		p.Hops[i].After = ms(10)
	}
	p.At.Silent = true
	var hops []rawdiag.Hop
	var err error
	var took time.Duration
	t.FakeTime(func() {
		ctx, cancel := context.WithTimeout(context.Background(), ms(500))
		defer cancel()
		began := time.Now()
		hops, err = rawdiag.Trace(ctx, remember(v.here.String(), p.Answer), v.dst, rawdiag.TraceOptions{})
		took = time.Since(began)
	})
	if err != nil || took != ms(500) {
		t.Broken("The context ended after 500 ms, and Trace returned after %v with %s; expected what is known, at once, and no error.", took, orNone(err))
	}
	if len(hops) < 2 || who(hops[1].Answers[0]) != routers(v, 2)[1] {
		t.Broken("When the context ended, 2 routers had answered, and Trace returned %s.", shown(hops))
	}
}
