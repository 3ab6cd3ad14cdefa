package rawdiag_test

import (
	"fmt"
	"net/netip"
	"testing"

	rawdiag "workbook.example/labs/05-raw-diagnostics"
	"workbook.example/tools/labtest"
	"workbook.example/tools/netlab"
)

func TestTraceWorksOnARealNetwork(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3)
	t.NoLeaks()
	n := netlab.Line(t, 3)
	for i, dst := range n.Node("far").Addrs() {
		var want []string
		for r := range 3 {
			want = append(want, n.Node(fmt.Sprint("r", r+1)).Addrs()[i].String())
		}
		want = append(want, dst.String())
		for m, name := range methods {
			hops := realTrace(t, dst, m)
			expectWay(t, "With "+name+", over three real routers", hops, 3, want...)
		}
	}
}

// realTrace traces over a raw socket.
func realTrace(t *labtest.T, dst netip.Addr, m rawdiag.Method) (hops []rawdiag.Hop) {
	t.Helper()
	s, err := rawdiag.Open(rawdiag.ICMPFor(dst), rawdiag.RawOnly)
	if err != nil {
		t.Broken("Open returned %s.", orNone(err))
	}
	defer s.Close()
	t.Returns("Trace", func() { hops, err = rawdiag.Trace(t.Context(), s, dst, rawdiag.TraceOptions{Method: m, MaxHops: 8}) })
	if err != nil {
		t.Broken("Trace, through a %v, returned %s.", s, orNone(err))
	}
	return hops
}
