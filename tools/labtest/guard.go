package labtest

import (
	"fmt"
	"runtime/debug"
	"time"

	"workbook.example/tools/result"
)

// Returns calls f, which must return within Patience. When it does not, the law
// is broken, "what did not return within 2 s", and the learner reads which of
// his goroutines waits where. When f panics, that is the verdict, told with
// the learner's own lines; the process lives on.
func (t *T) Returns(what string, f func()) {
	t.Helper()
	done := make(chan ending, 1)
	go func() {
		var end ending
		defer func() { done <- end }() // also when f ends the goroutine
		end = run(f)
	}()

	timeout := time.NewTimer(Patience)
	defer timeout.Stop()
	select {
	case end := <-done:
		switch {
		case end.returned:
		case end.panicked != nil:
			t.panicked(what, end)
		default:
			// f ended its goroutine: a FailNow or SkipNow inside it, or the
			// learner's own runtime.Goexit.
			if !t.Failed() && !t.Skipped() {
				t.Broken(saidGoexit, what)
			}
			t.stop()
		}
	case <-timeout.C:
		dead := examine(dump(), module+"tools/labtest.run")
		t.record(result.Fail, result.Failure{
			Kind:   result.KindHang,
			Seen:   fmt.Sprintf(saidNoReturn, what, seconds(Patience)),
			Detail: dead.String(),
			Look:   places(dead),
		})
		t.stop()
	}
}

// ending is how a call ended.
type ending struct {
	returned bool
	panicked any
	stack    []byte // of the panic
}

// run calls f and says how it ended. It is found by its name in post-mortems.
func run(f func()) (end ending) {
	defer func() {
		if p := recover(); p != nil {
			end = ending{panicked: p, stack: debug.Stack()}
		}
	}()
	f()
	return ending{returned: true}
}

func (t *T) panicked(what string, end ending) {
	dead := examine(end.stack, "")
	t.record(result.Error, result.Failure{
		Kind:   result.KindPanic,
		Seen:   fmt.Sprintf(saidPanic, what, end.panicked),
		Detail: dead.String(),
		Look:   places(dead),
	})
	t.stop()
}
