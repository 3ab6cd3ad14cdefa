package labtest

import (
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"workbook.example/tools/postmortem"
	"workbook.example/tools/result"
	"workbook.example/tools/wire"
)

const (
	// Patience is how long anything may take that should happen at once. It is
	// long enough for a busy machine and short enough for a waiting learner.
	Patience = 2 * time.Second

	// deadline is how long one law may take, with everything in it.
	deadline = 10 * time.Second

	// exitHang is the exit status of a process whose watchdog fired.
	exitHang = 3
)

// T is a lab test. It is a *testing.T, with the parts that fail a test replaced
// so that what they say becomes the verdict that a learner reads. It satisfies
// testing.TB and what testify asks for.
//
// The methods that end the test (Broken, Fatal, Needs, …) may also be called
// from a goroutine of the test: then they end that goroutine, as in package
// testing, and the verdict stands.
type T struct {
	*testing.T
	began time.Time
	talk  wire.Conversation

	mu       sync.Mutex // guards everything below
	subject  string
	verdict  result.Verdict
	failure  result.Failure
	further  int // what was said after the first failure
	ended    bool
	seeded   bool
	rands    int
	noLeaks  bool
	baseline baseline
	logged   func() []string

	watchdog *time.Timer
}

var _ testing.TB = (*T)(nil)

// Begin turns tt into a lab test. It is the first call of each, and there is
// one for each: the verdict is reported when tt ends, after all its cleanups.
// Lab tests run one after the other, never with Parallel: leaks are counted
// for the whole process.
func Begin(tt *testing.T) *T {
	tt.Helper()
	t := &T{T: tt, began: time.Now(), subject: wordServer, verdict: result.Pass}
	report(tt, result.Event{Event: result.Begin, Test: tt.Name()})
	tt.Cleanup(t.end)
	t.watchdog = time.AfterFunc(deadline, t.hang)
	return t
}

// Subject names the thing under test, as it is called in sentences and
// drawings. Without it, it is "server".
func (t *T) Subject(name string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.subject = name
}

func (t *T) subjectName() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.subject
}

// Broken says that the law does not hold and what was seen instead, in the
// words of the protocol. It ends the test.
func (t *T) Broken(format string, args ...any) {
	t.Helper()
	t.record(result.Fail, result.Failure{Kind: result.KindLaw, Seen: fmt.Sprintf(format, args...)})
	t.stop()
}

// NotRun says that this machine cannot exercise the test: why, and which
// command would change that. It ends the test.
func (t *T) NotRun(reason, remedy string) {
	t.record(result.NotRun, result.Failure{Kind: result.KindSkipped, Seen: reason, Detail: remedy})
	t.T.SkipNow()
}

// Skip is NotRun without a remedy.
func (t *T) Skip(args ...any) { t.NotRun(line(fmt.Sprintln(args...)), "") }

// Skipf is NotRun without a remedy.
func (t *T) Skipf(format string, args ...any) { t.NotRun(fmt.Sprintf(format, args...), "") }

// SkipNow is NotRun without a reason or a remedy.
func (t *T) SkipNow() { t.NotRun(wordSkipped, "") }

// Error is Broken, except that the test goes on.
func (t *T) Error(args ...any) { t.Helper(); t.Errorf("%s", line(fmt.Sprintln(args...))) }

// Errorf is Broken, except that the test goes on. What is said first is the
// failure; what is said later is added to it as far as it fits.
func (t *T) Errorf(format string, args ...any) {
	seen := plain(fmt.Sprintf(format, args...))
	t.record(result.Fail, result.Failure{Kind: result.KindLaw, Seen: seen})
}

// Fatal is Broken.
func (t *T) Fatal(args ...any) { t.Helper(); t.Error(args...); t.stop() }

// Fatalf is Broken.
func (t *T) Fatalf(format string, args ...any) { t.Helper(); t.Errorf(format, args...); t.stop() }

// Fail says that the law does not hold, without a word about it.
func (t *T) Fail() { t.record(result.Fail, result.Failure{Kind: result.KindLaw}) }

// FailNow is Fail, and ends the test.
func (t *T) FailNow() { t.Fail(); t.stop() }

// maxFurther is how many failures after the first are told.
const maxFurther = 4

// record keeps the first failure of the test, and what later ones say.
func (t *T) record(v result.Verdict, f result.Failure) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.ended {
		return // a goroutine that outlived its test has nothing to say about it
	}
	if t.verdict == result.Pass {
		t.verdict, t.failure = v, f
	} else if f.Seen != "" {
		if t.further++; t.further <= maxFurther {
			t.failure.Seen = strings.TrimLeft(t.failure.Seen+"\n"+f.Seen, "\n")
		}
	}
	if v != result.NotRun {
		t.T.Fail()
	}
}

// stop ends the calling goroutine, and the test if it is the test's.
func (t *T) stop() {
	t.mu.Lock()
	over := t.ended
	t.mu.Unlock()
	if over {
		runtime.Goexit() // FailNow would panic: there is no test to fail any more
	}
	t.T.FailNow()
}

// end runs after everything else of the test and reports its verdict.
func (t *T) end() {
	t.watchdog.Stop()
	if panicking() {
		// The process is about to die with the panic on stderr, which says more
		// than could be said here.
		t.close()
		return
	}
	t.checkLeaks()

	t.mu.Lock()
	if t.verdict == result.Pass && t.T.Failed() {
		// Somebody failed the *testing.T itself, or a subtest of it.
		t.verdict, t.failure = result.Fail, result.Failure{Kind: result.KindLaw}
	}
	t.mu.Unlock()
	if v, f, first := t.close(); first {
		report(t.T, t.event(v, f))
	}
}

// close makes the verdict final. It is the caller's to report if first.
func (t *T) close() (v result.Verdict, f result.Failure, first bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if first = !t.ended; first && t.further > maxFurther {
		t.failure.Seen += fmt.Sprintf(saidFurther, t.further-maxFurther)
	}
	t.ended = true
	return t.verdict, t.failure, first
}

// event is the end of the test as it is reported.
func (t *T) event(v result.Verdict, f result.Failure) result.Event {
	e := result.Event{Event: result.End, Test: t.Name(), Verdict: v, Seconds: time.Since(t.began).Seconds()}
	if v != result.Pass {
		e.Failure = t.explain(f)
	}
	return e
}

// hang is what the watchdog does. Nothing can end a goroutine that waits for
// ever but the end of its process.
func (t *T) hang() {
	v, f, first := t.close()
	if !first {
		return
	}
	// When a goroutine of the test has said what is wrong and ended, the test
	// may be waiting for just that goroutine.
	if v == result.Pass {
		dead := examine(dump(), "testing.tRunner")
		v, f = result.Error, result.Failure{
			Kind:   result.KindHang,
			Seen:   fmt.Sprintf(saidNoEnd, seconds(deadline)),
			Detail: dead.String(),
			Look:   places(dead),
		}
	}
	t.exit(t.event(v, f))
}

// exit reports the end of a test whose process cannot go on, and ends it.
func (t *T) exit(e result.Event) {
	if events == nil {
		fmt.Fprintf(os.Stderr, "--- FAIL: %s (%.2fs)\n%s", t.Name(), e.Seconds, indent(e.Failure.Text()))
	} else if err := result.WriteEvent(events, e); err != nil {
		fmt.Fprintln(os.Stderr, err)
	}
	os.Exit(exitHang)
}

// panicking reports whether the goroutine is on its way out of a panic.
func panicking() bool {
	pcs := make([]uintptr, 64)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(1, pcs)])
	for {
		frame, more := frames.Next()
		if frame.Function == "runtime.gopanic" {
			return true
		}
		if !more {
			return false
		}
	}
}

// Rand is a source of random numbers, another one at each call. The seed is told
// with the failure, together with the command that replays it; the numbers
// depend on it, on the test's name and on how often Rand was called before.
func (t *T) Rand() *rand.Rand {
	t.mu.Lock()
	t.rands++
	purpose := fmt.Sprint("rand ", t.rands)
	t.mu.Unlock()
	return t.random(purpose)
}

func (t *T) random(purpose string) *rand.Rand {
	t.mu.Lock()
	t.seeded = true
	t.mu.Unlock()
	return rand.New(rand.NewPCG(seed(), hash(t.Name(), purpose)))
}

// Eventually waits until cond holds, by asking it again and again. It is for
// what nothing announces (a counter, a file); where there is something to
// receive, receive it. It asks for at most Patience, then what did not happen
// breaks the law: "what did not happen within 2 s".
func (t *T) Eventually(what string, cond func() bool) {
	t.Helper()
	for end := time.Now().Add(Patience); !cond(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(end) {
			t.silence(fmt.Sprintf(saidNever, what, seconds(Patience)))
		}
	}
}

// events is where verdicts go, nil where nobody but a person reads them.
var events = openEvents()

// openEvents takes the runner's file and hides it from the code that is
// judged.
func openEvents() io.Writer {
	name := os.Getenv(result.EnvEvents)
	if name == "" {
		return nil
	}
	os.Unsetenv(result.EnvEvents)
	file, err := os.OpenFile(name, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return file
}

// report tells the runner what happened to a test, or without a runner prints
// why it failed.
func report(tt *testing.T, e result.Event) {
	if events != nil {
		if err := result.WriteEvent(events, e); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1) // a verdict that nobody hears is no verdict
		}
		return
	}
	if e.Failure != nil {
		fmt.Fprintf(tt.Output(), "\n%s\n", e.Failure.Text())
	}
}

// examine reads a dump for the goroutines of the judged code.
func examine(dump []byte, first string) postmortem.Report {
	return postmortem.Parse(dump, postmortem.Scope{Package: theLab().pkg, Short: theLab().short, First: first})
}

// places are the lines at which the goroutines of a report stand.
func places(r postmortem.Report) []string {
	var look []string
	for _, g := range r.Goroutines {
		look = append(look, g.At.String())
	}
	return look
}

// dump is the stacks of all goroutines.
func dump() []byte {
	for size := 64 << 10; ; size *= 4 {
		buf := make([]byte, size)
		if n := runtime.Stack(buf, true); n < size || size > 16<<20 {
			return buf[:n]
		}
	}
}
