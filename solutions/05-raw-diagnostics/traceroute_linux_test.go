package rawdiag_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"os/exec"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	rawdiag "workbook.example/solutions/05-raw-diagnostics"
	"workbook.example/tools/netlab"
)

const (
	topologies = 100
	queries    = 3
	maxHops    = 12
	parallel   = 16
)

// A topology is a way to a destination that is invented at random. It is played for
// each trace anew, to an address of its own.
type topology struct {
	v6   bool
	hops []router
	far  router // the destination
}

// A router answers the probes of a TTL in their turn.
type router struct {
	addrs   [queries]netip.Addr // who answers; the same, or some that share the load
	silent  [queries]bool
	times   int // how often it says everything
	quote   int
	labels  []uint32
	stop    netlab.Reason
	delayed time.Duration
}

// randomTopology is one of any kind: with silent routers and such as answer some
// probes only, several at one hop, a loop, a refusal, answers that come twice, and
// quotes of any length.
func randomTopology(r *rand.Rand) topology {
	t := topology{v6: chance(r, 2)}
	addr := func() netip.Addr {
		if t.v6 {
			return netip.AddrFrom16([16]byte{0: 0xfd, 1: 1, 14: byte(r.IntN(4)), 15: byte(1 + r.IntN(200))})
		}
		return netip.AddrFrom4([4]byte{10, 1, byte(r.IntN(4)), byte(1 + r.IntN(200))})
	}
	hop := func() router {
		one := router{times: pick(r, 1, 1, 1, 2, 3), quote: pick(r, 0, 0, 200), delayed: time.Duration(r.IntN(20)) * time.Millisecond}
		one.addrs[0] = addr()
		for q := range queries {
			one.addrs[q] = one.addrs[0]
		}
		switch r.IntN(8) {
		case 0:
			one.silent = [queries]bool{true, true, true}
		case 1:
			one.silent[r.IntN(queries)] = true
		case 2:
			for q := range queries {
				one.addrs[q] = addr()
			}
		case 3:
			one.labels = []uint32{uint32(r.IntN(1 << 20)), uint32(r.IntN(1 << 20))}
		}
		return one
	}
	for range r.IntN(8) {
		t.hops = append(t.hops, hop())
	}
	t.far = hop()
	t.far.labels = nil
	switch n := len(t.hops); r.IntN(5) {
	case 0:
		if n > 0 {
			t.hops[n-1].stop = pick(r, netlab.NoNetwork, netlab.NoHost, netlab.Prohibited)
			// In the place of a missing answer there, or just before, traceroute puts
			// one that a probe got which was to go further.
			t.hops[n-1].silent = [queries]bool{}
		}
		if n > 1 {
			t.hops[n-2].silent = [queries]bool{}
		}
	case 1: // round and round
		for n > 1 && len(t.hops) < maxHops+2 {
			t.hops = append(t.hops, t.hops[len(t.hops)-2])
		}
	}
	return t
}

// path plays the topology to a destination. Of the probes of a TTL, which leave in their
// order, the k-th gets the k-th answer, whatever it is made of.
func (t topology) path(dst netip.Addr) *netlab.Path {
	p := &netlab.Path{Dst: dst}
	play := func(ttl int, r router, answer func(h netlab.Hop, probe netlab.Packet) []netlab.Reply) func(netlab.Packet) []netlab.Reply {
		seen := map[int]int{} // probes by TTL
		return func(probe netlab.Packet) []netlab.Reply {
			q := seen[probe.TTL] % queries
			seen[probe.TTL]++
			if r.silent[q] {
				return nil
			}
			return answer(netlab.Hop{Addr: r.addrs[q], After: r.delayed, Times: r.times, Quote: r.quote, Labels: r.labels, Stop: r.stop}, probe)
		}
	}
	for i, r := range t.hops {
		p.Hops = append(p.Hops, netlab.Hop{Stop: r.stop, Answer: play(i+1, r, func(h netlab.Hop, probe netlab.Packet) []netlab.Reply {
			// This router alone, behind as many others as there are before it.
			one := netlab.Path{Hops: append(make([]netlab.Hop, i), h), Dst: dst}
			return one.Answer(probe)
		})})
	}
	p.At.Answer = play(len(t.hops)+1, t.far, func(h netlab.Hop, probe netlab.Packet) []netlab.Reply {
		h.Stop = netlab.Passes
		last := netlab.Path{Hops: make([]netlab.Hop, len(t.hops)), Dst: dst, At: h}
		return last.Answer(probe)
	})
	return p
}

// play plays a topology to an address of its own.
func play(w *ways, t topology) netip.Addr {
	n := w.count.Add(1)
	dst := netip.AddrFrom4([4]byte{10, 9, byte(n >> 8), byte(n)})
	if t.v6 {
		dst = netip.AddrFrom16([16]byte{0: 0xfd, 1: 9, 14: byte(n >> 8), 15: byte(n)})
	}
	w.add(dst, t.path(dst))
	return dst
}

// theEnd takes the place of a destination's address, which no two traces share.
const theEnd = "the end"

// traceroute is what Debian's traceroute finds. It does not guess how long to wait, but
// waits.
func traceroute(ctx context.Context, exe string, dst netip.Addr, m rawdiag.Method, wait time.Duration) ([]string, error) {
	args := []string{"-n", "-e", "-q", fmt.Sprint(queries), "-m", fmt.Sprint(maxHops), "-N", fmt.Sprint(parallel), "-w", fmt.Sprint(wait.Seconds())}
	if m == rawdiag.EchoProbes {
		args = append(args, "-I")
	}
	out, err := exec.CommandContext(ctx, exe, append(args, dst.String(), "200")...).CombinedOutput()
	if err != nil {
		return nil, fmt.Errorf("traceroute: %w: %s", err, out)
	}
	var hops []string
	for line := range strings.Lines(string(out)) {
		f := strings.Fields(line)
		if _, err := strconv.Atoi(f[0]); err != nil {
			continue // the heading
		}
		from, labels := "", "" // those of the answer before, if nothing else is printed
		var answers []string
		for i := 1; i < len(f); i++ {
			switch word := f[i]; {
			case word == "*":
				answers = append(answers, "*")
			case strings.HasPrefix(word, "!"):
				answers[len(answers)-1] += " " + word
			case strings.HasPrefix(word, "<"):
				labels = ""
				for entry := range strings.SplitSeq(strings.Trim(strings.TrimPrefix(word, "<MPLS:"), "<>"), "/") {
					var label, class, bottom, ttl int
					if _, err := fmt.Sscanf(entry, "L=%d,E=%d,S=%d,T=%d", &label, &class, &bottom, &ttl); err != nil {
						return nil, fmt.Errorf("%q: %w", word, err)
					}
					labels += fmt.Sprintf(" %d/%d", label, ttl)
				}
			case i+1 < len(f) && f[i+1] == "ms":
				answers = append(answers, from+labels)
				i++
			default:
				from, labels = word, ""
				if word == dst.String() {
					from = theEnd
				}
			}
		}
		hops = append(hops, strings.Join(answers, ", "))
	}
	return hops, nil
}

// trace is what Trace finds.
func trace(ctx context.Context, dst netip.Addr, m rawdiag.Method, wait time.Duration) ([]string, error) {
	s, err := rawdiag.Open(rawdiag.ICMPFor(dst), rawdiag.RawOnly)
	if err != nil {
		return nil, err
	}
	defer s.Close()
	way, err := rawdiag.Trace(ctx, s, dst, rawdiag.TraceOptions{Method: m, MaxHops: maxHops, Queries: queries, Timeout: wait, Parallel: parallel})
	var hops []string
	for _, h := range way {
		var answers []string
		for _, a := range h.Answers {
			text := "*"
			if a.From == dst {
				text = theEnd
			} else if a.From.IsValid() {
				text = a.From.String()
			}
			for _, l := range a.Labels {
				text += fmt.Sprintf(" %d/%d", l.Label, l.TTL)
			}
			if mark := a.Mark(); mark != "" {
				text += " " + mark
			}
			answers = append(answers, text)
		}
		hops = append(hops, strings.Join(answers, ", "))
	}
	return hops, err
}

func TestTraceFindsTheWaysOfTraceroute(t *testing.T) {
	exe := other(t, "traceroute", "traceroute")
	r := random(t)
	all := make([]topology, topologies)
	for i := range all {
		all[i] = randomTopology(r)
	}
	var played ways
	n := netlab.New(tb{t})
	n.Scripted(tb{t}, played.answer)

	// both traces one topology with both programs.
	both := func(way topology, m rawdiag.Method, wait time.Duration) (ours, theirs []string, err error) {
		var oursErr, theirsErr error
		var running sync.WaitGroup
		running.Go(func() { ours, oursErr = trace(t.Context(), play(&played, way), m, wait) })
		running.Go(func() { theirs, theirsErr = traceroute(t.Context(), exe, play(&played, way), m, wait) })
		running.Wait()
		return ours, theirs, errors.Join(oursErr, theirsErr)
	}
	type job struct {
		topology int
		m        rawdiag.Method
	}
	// differ traces so many jobs at once and returns those that do not come out alike.
	differ := func(jobs []job, atOnce int, wait time.Duration, tell func(j job, ours, theirs []string, err error)) (different []job) {
		var running sync.WaitGroup
		var mu sync.Mutex
		turns := make(chan bool, atOnce)
		for _, j := range jobs {
			running.Go(func() {
				turns <- true
				defer func() { <-turns }()
				ours, theirs, err := both(all[j.topology], j.m, wait)
				if err != nil || !slices.Equal(ours, theirs) {
					mu.Lock()
					defer mu.Unlock()
					different = append(different, j)
					tell(j, ours, theirs, err)
				}
			})
		}
		running.Wait()
		return different
	}
	var jobs []job
	for i := range all {
		jobs = append(jobs, job{i, rawdiag.UDPProbes}, job{i, rawdiag.EchoProbes})
	}
	// Many at once have the same kernel in common, with its buffers, and on a busy
	// machine answers come too late, or one probe overtakes another. What differs for
	// another reason differs again.
	again := differ(jobs, 12, 500*time.Millisecond, func(job, []string, []string, error) {})
	require.Less(t, len(again), len(jobs)/4)
	differ(again, 6, 2*time.Second, func(j job, ours, theirs []string, err error) {
		t.Errorf("topology %d, with %s: %v\nTrace finds\n\t%s\nand traceroute\n\t%s", j.topology,
			map[rawdiag.Method]string{rawdiag.UDPProbes: "UDP", rawdiag.EchoProbes: "echo requests"}[j.m], err, strings.Join(ours, "\n\t"), strings.Join(theirs, "\n\t"))
	})
}
