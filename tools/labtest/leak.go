package labtest

import (
	"regexp"
	"runtime/debug"
	"strings"
	"time"

	"go.uber.org/goleak"

	"workbook.example/tools/postmortem"
	"workbook.example/tools/result"
)

// baseline is what there was before the judged code did anything.
type baseline struct {
	goroutines goleak.Option
	files      map[string]string // open descriptors, by what they are
}

func measure() baseline {
	return baseline{goroutines: goleak.IgnoreCurrent(), files: openFiles()}
}

// gcLimit is how much memory may be in use before the garbage collector runs
// in a test that looks for leaks.
const gcLimit = 128 << 20

// NoLeaks says that at the end of the test, after its other cleanups, nothing
// may be left of what was started since this call: no goroutine, and on Linux no
// open socket or file. (Elsewhere descriptors are not counted.) What is
// still ending has Patience to do so.
//
// From here to the end of the test the garbage collector is off, because it
// closes connections that nothing refers to any more: whether a forgotten one
// is found must not depend on it.
func (t *T) NoLeaks() {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.noLeaks {
		return
	}
	t.noLeaks = true
	t.baseline = measure()
	percent, limit := debug.SetGCPercent(-1), debug.SetMemoryLimit(gcLimit)
	t.Cleanup(func() {
		debug.SetMemoryLimit(limit)
		debug.SetGCPercent(percent)
	})
}

// checkLeaks is the last thing in a test that holds so far.
func (t *T) checkLeaks() {
	t.mu.Lock()
	wanted, before := t.noLeaks && t.verdict == result.Pass, t.baseline
	t.mu.Unlock()
	if !wanted || t.T.Failed() {
		return
	}
	end := time.Now().Add(Patience)
	err := goleak.Find(before.goroutines)
	for ; err != nil && time.Now().Before(end); err = goleak.Find(before.goroutines) {
	}
	if err != nil {
		t.leaked(leftGoroutines(err))
		return
	}
	left := before.left()
	for ; len(left) > 0 && time.Now().Before(end); left = before.left() {
		time.Sleep(5 * time.Millisecond) // nothing announces that a descriptor was closed
	}
	if len(left) > 0 {
		t.leaked(result.Failure{
			Seen:   saidOpen(len(left)),
			Detail: strings.Join(left, "\n"),
		})
	}
}

func (t *T) leaked(f result.Failure) {
	f.Kind = result.KindLeak
	t.record(result.Fail, f)
}

// leakHeader matches how goleak begins a goroutine, which is not how the Go
// runtime does it.
var leakHeader = regexp.MustCompile(`(?m)^\[? ?Goroutine (\d+) in state (.*), with .* on top of the stack:$`)

// leftGoroutines reads what goleak found.
func leftGoroutines(err error) result.Failure {
	stacks := leakHeader.ReplaceAll([]byte(err.Error()), []byte("\ngoroutine $1 [$2]:"))
	dead := examine(stacks, "")
	count := 0
	var look []string
	for _, g := range dead.Goroutines {
		count += g.Count
		look = append(look, g.At.String())
		if g.Creator != "" {
			look = append(look, g.CreatedAt.String())
		}
	}
	if count == 0 {
		// Nothing of the judged code itself: a timer, a library.
		all := postmortem.Parse(stacks, postmortem.Scope{Short: theLab().short})
		return result.Failure{Seen: saidForeign, Detail: all.String()}
	}
	return result.Failure{Seen: saidLeft(count), Detail: dead.String(), Look: look}
}

// left describes the descriptors that are open now and were not before.
func (b baseline) left() []string {
	var left []string
	for file, what := range openFiles() {
		if _, was := b.files[file]; !was {
			left = append(left, what)
		}
	}
	return left
}
