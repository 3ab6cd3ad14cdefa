package labtest

import (
	"testing"
	"testing/synctest"
	"time"

	"workbook.example/tools/result"
)

// afterwards is the fake time for goroutines that end by themselves, at the
// next tick of some timer.
const afterwards = time.Hour

// FakeTime calls f on fake time (testing/synctest): time stands still while
// anybody works, and jumps to the next timer when everybody waits, so that an
// hour costs nothing and is exact. Connections must be in memory (StreamNet,
// PacketNet, net.Pipe): waiting on a real socket does not count as waiting.
//
// f must not use t; it leaves what it saw for the caller to judge. When f cannot
// go on because everybody waits for ever, the law is broken and the learner
// reads who waits where. What f started has an hour of fake time to end after f
// has; after NoLeaks, what is left then breaks the law too.
func (t *T) FakeTime(f func()) {
	t.Helper()
	over := false
	stuck, stacks := inBubble(t.T, func() {
		f()
		over = true
		time.Sleep(afterwards)
	})
	t.mu.Lock()
	leaksAllowed := !t.noLeaks
	t.mu.Unlock()
	if stuck == nil || over && leaksAllowed {
		return
	}
	said := saidStuck
	if over {
		said = saidLeftBehind
	}
	dead := examine(stacks, "")
	t.record(result.Fail, result.Failure{
		Kind: result.KindHang, Seen: said, Detail: dead.String(), Look: places(dead),
	})
	t.stop()
}

// inBubble returns what synctest said when nobody in the bubble could go on,
// and the stacks of that moment.
func inBubble(tt *testing.T, f func()) (stuck any, stacks []byte) {
	defer func() {
		if stuck = recover(); stuck != nil {
			stacks = dump()
		}
	}()
	synctest.Test(tt, func(*testing.T) { f() })
	return nil, nil
}
