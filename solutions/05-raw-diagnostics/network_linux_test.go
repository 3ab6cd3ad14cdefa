package rawdiag_test

import (
	"net/netip"
	"sync"
	"sync/atomic"
	"testing"

	"workbook.example/tools/netlab"
)

// A tb is a test as netlab wants one.
type tb struct{ *testing.T }

// NotRun skips the test.
func (t tb) NotRun(reason, remedy string) {
	t.Helper()
	t.Skipf("not run: %s (%s)", reason, remedy)
}

// ways are the destinations that a scripted router plays at the moment.
type ways struct {
	sync.Mutex
	paths map[netip.Addr]*netlab.Path
	count atomic.Int64 // for whoever needs many addresses
}

// add plays one more.
func (w *ways) add(dst netip.Addr, p *netlab.Path) {
	w.Lock()
	defer w.Unlock()
	if w.paths == nil {
		w.paths = map[netip.Addr]*netlab.Path{}
	}
	w.paths[dst] = p
}

// answer is the router.
func (w *ways) answer(probe netlab.Packet) []netlab.Reply {
	w.Lock()
	defer w.Unlock()
	if p := w.paths[probe.Dst]; p != nil {
		return p.Answer(probe)
	}
	return nil
}
