package verify

import (
	"context"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"workbook.example/tools/course"
	"workbook.example/tools/result"
	"workbook.example/tools/run"
	"workbook.example/tools/sources"
)

// soon is how long the untouched lab may take to be red, built before.
const soon = 3 * time.Second

// Options say how to verify.
type Options struct {
	// Workers is how many bugs are judged at once; if zero, three a core, for a
	// bug spends most of its time waiting. Many more would make the laws about
	// time wait for each other.
	Workers int
	// Progress is told after every source that has been judged, one at a time.
	Progress func(done, total int, what string)
}

// Lab proves one lab. The error is trouble of our own; what is wrong with the
// lab is in the report.
func Lab(ctx context.Context, lab *course.Lab, o Options) (*Report, error) {
	started := time.Now()
	if o.Workers == 0 {
		o.Workers = 3 * runtime.NumCPU()
	}
	r := &Report{
		Lab:      result.Lab{Number: lab.Number, Folder: lab.Folder, Title: lab.Title},
		Stages:   len(lab.Stages),
		Findings: []Finding{},
	}
	for _, s := range lab.Stages {
		r.Tests += len(s.Tests)
	}
	bugs, err := sources.Bugs(lab)
	if err != nil {
		r.findWith(err.Error(), "bugs", "their patches cannot all be read")
	}
	r.Bugs = len(bugs)
	r.agree(lab, bugs)

	var mu sync.Mutex
	done := 0
	judged := func(what string) {
		mu.Lock()
		defer mu.Unlock()
		if done++; o.Progress != nil {
			o.Progress(done, len(bugs)+2, what)
		}
	}
	// The stubs go first and alone, because they are timed; then the solution,
	// which has to pass at the first try.
	if err := r.stubs(ctx, lab); err != nil {
		return nil, err
	}
	judged("stubs")
	if err := r.solution(ctx, lab); err != nil {
		return nil, err
	}
	judged("solution")

	jobs, ctx := errgroup.WithContext(ctx)
	jobs.SetLimit(o.Workers)
	for _, b := range bugs {
		jobs.Go(func() error {
			defer judged("bug " + b.Slug)
			return r.bug(ctx, lab, b)
		})
	}
	if err := jobs.Wait(); err != nil {
		return nil, err
	}
	r.sort()
	r.Seconds = time.Since(started).Seconds()
	return r, nil
}

// stubs proves that every stage of the lab's folder as it is fails, soon and
// in words rather than with a crash.
func (r *Report) stubs(ctx context.Context, lab *course.Lab) error {
	set, err := sources.Learner(lab)
	if err != nil {
		return err
	}
	// The first run may have to compile the standard library, and any run may
	// meet a busy machine: what counts is how soon it can be.
	var res *result.Result
	for range 3 {
		if res, err = run.Run(ctx, lab, set, run.Options{}); err != nil {
			return err
		}
		if r.StubsSeconds == 0 || res.Seconds < r.StubsSeconds {
			r.StubsSeconds = res.Seconds
		}
		if r.StubsSeconds <= soon.Seconds() {
			break
		}
	}
	if r.StubsSeconds > soon.Seconds() {
		r.find("stubs", "they take %.1f s to be red; a learner should see it within %.0f s", r.StubsSeconds, soon.Seconds())
	}
	if res.Build != nil {
		r.notBuilt("stubs", *res.Build)
		return nil
	}
	for _, s := range res.Stages {
		switch s.Verdict {
		case result.Fail:
		case result.Pass:
			r.find("stubs", "stage %d passes with the lab's folder as it is. A stage nobody has worked on must fail; is %s untouched?", s.ID, lab.Path())
		case result.NotRun:
			r.notRun("stage %d: %s", s.ID, because(firstNot(s, result.Pass)))
		default:
			t := firstNot(s, result.Pass)
			r.findWith(saw(t), "stubs", "stage %d ends in the verdict %q (%s); a stub fails politely", s.ID, s.Verdict, t.Name)
		}
	}
	return nil
}

// solution proves that the solution passes every stage.
func (r *Report) solution(ctx context.Context, lab *course.Lab) error {
	set, err := sources.Solution(lab)
	if err != nil {
		r.find("solution", "%v", err)
		return nil
	}
	res, err := run.Run(ctx, lab, set, run.Options{})
	if err != nil {
		return err
	}
	r.SolutionSeconds, r.Race = res.Seconds, res.Race
	if res.Build != nil {
		r.notBuilt("solution", *res.Build)
		return nil
	}
	for _, s := range res.Stages {
		for _, t := range s.Tests {
			switch t.Verdict {
			case result.Pass:
			case result.NotRun:
				r.notRun("solution, %s: %s", t.Name, because(t))
			default:
				r.findWith(saw(t), "solution", "%s of stage %d does not pass: %s", t.Name, s.ID, t.Verdict)
			}
		}
	}
	return nil
}

// notBuilt finds that nothing could be run.
func (r *Report) notBuilt(where string, f result.Failure) {
	r.findWith(f.Detail, where, "it does not compile")
}

func (r *Report) notRun(format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.NotRun = append(r.NotRun, fmt.Sprintf("lab %d, ", r.Lab.Number)+fmt.Sprintf(format, args...))
}

// notTried is notRun of a whole bug.
func (r *Report) notTried(format string, args ...any) {
	r.notRun(format, args...)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.NotTried++
}

// firstNot is the first test of a stage whose verdict is another.
func firstNot(s result.Stage, v result.Verdict) result.Test {
	for _, t := range s.Tests {
		if t.Verdict != v {
			return t
		}
	}
	return result.Test{Name: "no test", Verdict: s.Verdict}
}

// saw is what a test said about this run. Its law and the reason for it are
// left out: they are said whatever happens, so they prove nothing.
func saw(t result.Test) string {
	if t.Failure == nil {
		return ""
	}
	return result.Failure{Seen: t.Failure.Seen, Ladder: t.Failure.Ladder, Detail: t.Failure.Detail}.Text()
}

// because is why a test was not run, in one line.
func because(t result.Test) string {
	if t.Failure == nil {
		return "not run"
	}
	why := t.Failure.Seen
	if t.Failure.Detail != "" {
		why += " To change that: " + t.Failure.Detail
	}
	return strings.Join(strings.Fields(why), " ")
}
