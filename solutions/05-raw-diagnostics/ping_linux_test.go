package rawdiag_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	rawdiag "workbook.example/solutions/05-raw-diagnostics"
	"workbook.example/tools/netlab"
)

// pinged is what a ping came to.
type pinged struct {
	sent, received, duplicates, refused int
	ttls                                string // of the replies, in their order
	min, avg, max, mdev                 time.Duration
}

// counts are what does not depend on time.
func (p pinged) counts() string {
	return fmt.Sprintf("%d sent, %d received, %d duplicates, %d refused, TTLs %s", p.sent, p.received, p.duplicates, p.refused, p.ttls)
}

const (
	pings        = 20
	pingInterval = 20 * time.Millisecond
	pingTimeout  = 2 * time.Second
)

// iputils is what ping(8) of iputils says.
func iputils(ctx context.Context, exe string, dst netip.Addr) (p pinged, err error) {
	cmd := exec.CommandContext(ctx, exe, "-n", "-c", fmt.Sprint(pings), "-i", fmt.Sprint(pingInterval.Seconds()), "-W", fmt.Sprint(pingTimeout.Seconds()), dst.String())
	cmd.Env = append(cmd.Environ(), "LC_ALL=C")
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) { // its status is 1 when nobody answered
		return p, err
	}
	for _, m := range regexp.MustCompile(`bytes from \S+: icmp_seq=\d+ ttl=(\d+) `).FindAllSubmatch(text, -1) {
		p.ttls += string(m[1]) + " "
	}
	if m := regexp.MustCompile(`(\d+) packets transmitted, (\d+) received`).FindSubmatch(text); m != nil {
		p.sent, p.received = number(string(m[1])), number(string(m[2]))
	}
	if m := regexp.MustCompile(`\+(\d+) duplicates`).FindSubmatch(text); m != nil {
		p.duplicates = number(string(m[1]))
	}
	if m := regexp.MustCompile(`\+(\d+) errors`).FindSubmatch(text); m != nil {
		p.refused = number(string(m[1]))
	}
	if m := regexp.MustCompile(`min/avg/max/mdev = (\S+)/(\S+)/(\S+)/(\S+) ms`).FindSubmatch(text); m != nil {
		for i, into := range []*time.Duration{&p.min, &p.avg, &p.max, &p.mdev} {
			ms, _ := strconv.ParseFloat(string(m[i+1]), 64)
			*into = time.Duration(ms * float64(time.Millisecond))
		}
	}
	if p.sent == 0 {
		return p, fmt.Errorf("ping: %v: %s", err, text)
	}
	return p, nil
}

// solutions is what Ping says.
func solutions(ctx context.Context, dst netip.Addr) (pinged, error) {
	s, err := rawdiag.Open(rawdiag.ICMPFor(dst), rawdiag.RawOnly)
	if err != nil {
		return pinged{}, err
	}
	defer s.Close()
	var ttls strings.Builder
	stats, err := rawdiag.Ping(ctx, s, dst, rawdiag.PingOptions{
		Count: pings, Interval: pingInterval, Timeout: pingTimeout, Size: 56,
		Each: func(r rawdiag.Reply) {
			if r.Outcome == rawdiag.Answered || r.Outcome == rawdiag.Duplicate {
				fmt.Fprint(&ttls, r.TTL, " ")
			}
		},
	})
	return pinged{
		sent: stats.Sent, received: stats.Answered, duplicates: stats.Duplicates, refused: stats.Refused, ttls: ttls.String(),
		min: stats.Min, avg: stats.Avg, max: stats.Max, mdev: stats.Mdev,
	}, err
}

// A match is two pings at the same time.
type match struct {
	ours, theirs pinged
	err          error
}

// pingBoth has both ping, each its host.
func pingBoth(ctx context.Context, exe string, ours, theirs netip.Addr) (m match) {
	var running sync.WaitGroup
	var err error
	running.Go(func() { m.ours, err = solutions(ctx, ours) })
	m.theirs, m.err = iputils(ctx, exe, theirs)
	running.Wait()
	m.err = errors.Join(m.err, err)
	return m
}

// judge requires that both say the same, and times of the same order. Both end a
// round trip when the kernel has the reply, and the quickest of many is least
// disturbed by whatever else runs here.
func (m match) judge(t *testing.T, what string, factor time.Duration) {
	t.Helper()
	require.NoError(t, m.err, what)
	require.Equal(t, m.theirs.counts(), m.ours.counts(), what)
	if m.ours.received == 0 {
		return
	}
	require.Less(t, m.ours.min, factor*m.theirs.min, "%s: %+v", what, m)
	require.Less(t, m.theirs.min, factor*m.ours.min, "%s: %+v", what, m)
	o := m.ours
	require.True(t, o.min <= o.avg && o.avg <= o.max && o.mdev <= o.max-o.min, "%s: %+v", what, m)
}

func TestPingSaysWhatPingSays(t *testing.T) {
	exe := other(t, "ping", "iputils-ping")
	n := netlab.Line(tb{t}, 3)
	for _, dst := range n.Node("far").Addrs() {
		m := pingBoth(t.Context(), exe, dst, dst)
		m.judge(t, dst.String(), 20)
		require.Equal(t, pings, m.ours.received)
	}
}

// A mood is how a host answers echo requests.
type mood struct {
	lost, twice int           // one in so many; 0 is none
	after       time.Duration // that it takes
	refusal     netlab.Reason // of the router before it
}

// host is a host in this mood.
func (m mood) host(dst netip.Addr) *netlab.Path {
	requests := 0
	router := netlab.Hop{Addr: netip.MustParseAddr("10.1.0.1"), Stop: m.refusal}
	if dst.Is6() {
		router.Addr = netip.MustParseAddr("fd01::1")
	}
	return &netlab.Path{Dst: dst, Hops: []netlab.Hop{router}, At: netlab.Hop{Answer: func(p netlab.Packet) []netlab.Reply {
		requests++
		reply := netlab.Reply{After: m.after, Raw: netlab.EchoReply(p)}
		switch {
		case reply.Raw == nil || m.lost > 0 && requests%m.lost == 0:
			return nil
		case m.twice > 0 && requests%m.twice == 0:
			return []netlab.Reply{reply, reply}
		}
		return []netlab.Reply{reply}
	}}}
}

func TestPingCountsAsPingDoes(t *testing.T) {
	exe := other(t, "ping", "iputils-ping")
	var played ways
	n := netlab.New(tb{t})
	n.Scripted(tb{t}, played.answer)
	// So many raw sockets would all get the replies for each other, more than they can
	// hold on a busy machine. With this, ping takes a ping socket, icmp(7).
	require.NoError(t, n.Here().Sysctl("net.ipv4.ping_group_range", "0 0"))
	moods := []mood{{}, {lost: 3}, {lost: 1}, {lost: 4, twice: 3, after: 30 * time.Millisecond}, {refusal: netlab.NoHost}, {refusal: netlab.Prohibited}}
	formats := []string{"10.9.%d.%d", "fd09::%d:%d"}
	matches := make([]match, len(moods)*len(formats))
	var running sync.WaitGroup
	for i := range matches {
		m, format := moods[i/len(formats)], formats[i%len(formats)]
		var hosts [2]netip.Addr
		for h := range hosts {
			hosts[h] = netip.MustParseAddr(fmt.Sprintf(format, i, h+1))
			played.add(hosts[h], m.host(hosts[h]))
		}
		running.Go(func() { matches[i] = pingBoth(t.Context(), exe, hosts[0], hosts[1]) }) // they mostly wait
	}
	running.Wait()
	for i, m := range matches {
		mood := moods[i/len(formats)]
		m.judge(t, fmt.Sprintf("%+v", mood), 20)
		if mood.after > 0 {
			m.judge(t, fmt.Sprintf("%+v", mood), 3)
			require.GreaterOrEqual(t, m.ours.min, mood.after)
		}
	}
}
