package rawdiag_test

import (
	"net/netip"
	"testing"

	rawdiag "workbook.example/labs/05-raw-diagnostics"
	"workbook.example/tools/labtest"
	"workbook.example/tools/netlab"
)

func TestPingWorksOnARealNetwork(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3)
	t.NoLeaks()
	n := netlab.Line(t, 2)
	far := n.Node("far")
	for _, dst := range far.Addrs() {
		s, err := rawdiag.Open(rawdiag.ICMPFor(dst), rawdiag.Auto)
		if err != nil {
			t.Broken("Open returned %s.", orNone(err))
		}
		var ttl int
		var stats rawdiag.PingStats
		t.Returns("Ping", func() {
			stats, err = rawdiag.Ping(t.Context(), s, dst, rawdiag.PingOptions{Count: 5, Interval: ms(10), Size: 56, Each: func(r rawdiag.Reply) { ttl = r.TTL }})
		})
		s.Close()
		if err != nil || stats.Answered != 5 || stats.Lost != 0 {
			t.Broken("5 requests to %v, behind two routers, through a %v: %s, and %s; expected 5 answered.", dst, s, counts(stats), orNone(err))
		}
		if ttl != 62 {
			t.Broken("A reply of %v came through two routers, and is said to have TTL %d; expected 62.", dst, ttl)
		}
		if stats.Min <= 0 || stats.Min > labtest.Patience {
			t.Broken("The shortest round trip to %v is said to be %v.", dst, stats.Min)
		}
	}
}

// BenchmarkPing pings this machine over loopback, each request when the one before is
// answered.
func BenchmarkPing(b *testing.B) {
	s, err := rawdiag.Open(rawdiag.ICMP, rawdiag.Auto)
	if err != nil {
		b.Skip(err)
	}
	defer s.Close()
	b.ReportAllocs()
	stats, err := rawdiag.Ping(b.Context(), s, netip.AddrFrom4([4]byte{127, 0, 0, 1}), rawdiag.PingOptions{Count: b.N, Size: 56})
	if err != nil {
		b.Skip(err)
	}
	if stats.Answered != b.N {
		b.Fatalf("of %d requests, %s", b.N, counts(stats))
	}
}
