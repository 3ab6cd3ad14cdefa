package run

import (
	"context"
	"fmt"
	"slices"
	"time"

	"workbook.example/tools/course"
	"workbook.example/tools/result"
)

// Stage runs the tests of a stage and judges them. Where the process dies in
// the middle, the test that was running gets the blame and those that had no
// chance yet get a new process. After mostHung processes that hung, those get
// none: whoever waits for a verdict has waited long enough.
func (b *Binary) Stage(ctx context.Context, stage *course.Stage, opts Options) (result.Stage, error) {
	s, _, err := b.stage(ctx, stage, opts, mostHung)
	return s, err
}

// mostHung is how many tests of a stage may hang before the rest of it is not
// tried: each costs its whole guard, and the second one shows that it is not
// this test's law alone. Once so many have hung in a run, one is enough in each
// further stage.
const (
	mostHung      = 2
	mostHungAgain = 1
)

// stage is Stage with a limit on how many tests may hang. It tells how many
// did.
func (b *Binary) stage(ctx context.Context, stage *course.Stage, opts Options, most int) (_ result.Stage, hung int, err error) {
	started := time.Now()
	j := &judgement{binary: b, stage: stage, tests: map[string]*result.Test{}}
	var pending []string
	for _, t := range stage.Tests {
		pending = append(pending, t.Name)
	}
	for len(pending) > 0 && j.hung < most {
		end, err := b.process(ctx, pending, opts)
		if err != nil {
			return result.Stage{}, 0, err
		}
		j.take(ctx, end, pending)
		if end.guarded() {
			j.hung++
		}
		pending = slices.DeleteFunc(pending, func(name string) bool { return j.tests[name] != nil })
	}
	for _, name := range pending {
		t := j.untried(name, most)
		j.tests[name] = &t
	}

	rs := newStage(stage)
	for _, t := range stage.Tests {
		rs.Tests = append(rs.Tests, *j.tests[t.Name])
	}
	rs.Output, rs.Cut = j.outside, j.cut
	rs.Verdict = result.Judge(rs.Tests)
	rs.Seconds = time.Since(started).Seconds()
	return rs, j.hung, nil
}

// judgement collects the verdicts on a stage from as many processes as it
// takes.
type judgement struct {
	binary  *Binary
	stage   *course.Stage
	tests   map[string]*result.Test
	hung    int    // processes that a guard ended
	outside string // what was printed outside of any test
	cut     int
}

// take reads what a process left. It settles at least one of the pending tests,
// so that the next process has fewer.
func (j *judgement) take(ctx context.Context, end *ended, pending []string) {
	var running string // began and did not end
	var last string    // the last that began
	settled := false
	for _, e := range end.events {
		if !slices.Contains(pending, e.Test) {
			continue
		}
		switch e.Event {
		case result.Begin:
			running, last = e.Test, e.Test
		case result.End:
			if running == e.Test {
				running = ""
			}
			j.settle(end, result.Test{Name: e.Test, Verdict: e.Verdict, Failure: e.Failure, Seconds: e.Seconds})
			settled = true
		}
	}
	if text, cut := end.stream.outputs[""].text(); j.outside == "" {
		j.outside, j.cut = text, cut
	}

	switch {
	case running != "":
		j.settle(end, j.died(end, running))
	case end.alive() && len(end.events) > 0:
		// The process came to its end; who has no verdict by now gives none.
		for _, name := range pending {
			if j.tests[name] == nil {
				j.settle(end, j.silent(ctx, name))
			}
		}
	case settled && !end.alive():
		j.blame(end, last)
	case end.alive():
		for _, name := range pending {
			j.settle(end, j.silent(ctx, name))
		}
	default: // it died before any test began, and would again
		for _, name := range pending {
			j.settle(end, j.died(end, name))
		}
	}
}

// alive reports whether the process ran to the end of package testing.
func (e *ended) alive() bool { return e.stream.ended && e.dump == "" && !e.hung }

// guarded reports whether a guard ended the process, because a test did not
// end or none began. A law's own guard still tells the test's verdict.
func (e *ended) guarded() bool {
	if e.hung {
		return true
	}
	if e.alive() || e.dump != "" || len(e.events) == 0 {
		return false
	}
	last := e.events[len(e.events)-1]
	return last.Event == result.End && last.Verdict != result.Pass
}

// untried is the verdict on a test that was not started because so many before
// it hung.
func (j *judgement) untried(name string, most int) result.Test {
	f := result.Failure{Kind: result.KindHang, Seen: notTried, Again: fmt.Sprintf("make test-lab %d STAGE=%d", j.binary.lab.Number, j.stage.ID)}
	if most == mostHungAgain {
		f.Seen = notTriedAgain
	}
	j.binary.readable(&f)
	return result.Test{Name: name, Verdict: result.Error, Failure: &f}
}

// blame makes an error of the last test that ended before the process died
// between two tests: something that it started did not end with it.
func (j *judgement) blame(end *ended, name string) {
	if t := j.tests[name]; t != nil && t.Verdict == result.Pass {
		died := j.died(end, name)
		died.Failure.Seen = afterItsEnd + died.Failure.Seen
		died.Output, died.Cut, died.Seconds = t.Output, t.Cut, t.Seconds
		*t = died
	}
}

// settle records a verdict, with what else the process said about the test:
// races that were seen while it ran, and its output.
func (j *judgement) settle(end *ended, t result.Test) {
	s := end.stream
	t.Output, t.Cut = s.outputs[t.Name].text()
	if races := s.races[t.Name]; len(races) > 0 && mayRace(t) {
		// The race comes first: what else was seen may be its doing.
		raced := j.raced(t.Name, races)
		if t.Failure != nil && t.Failure.Seen != result.Unsaid {
			raced.Seen += "\n" + t.Failure.Seen
			raced.Ladder = t.Failure.Ladder
		}
		t.Verdict, t.Failure = result.Fail, raced
	}
	if t.Verdict == result.Pass && s.failed[t.Name] {
		t.Verdict, t.Failure = result.Fail, j.tell(t.Name, result.Failure{Kind: result.KindLaw, Seen: result.Unsaid})
	}
	if !known(t.Verdict) {
		t.Verdict, t.Failure = result.Fault, &result.Failure{Kind: result.KindMissing, Seen: "unknown verdict " + string(t.Verdict)}
	}
	j.binary.readable(t.Failure)
	j.tests[t.Name] = &t
}

// mayRace reports whether a race is the first thing to tell about a test: it
// is not where the process died, or the test never came to its law.
func mayRace(t result.Test) bool {
	return t.Verdict == result.Pass || t.Verdict == result.Fail && t.Failure != nil && t.Failure.Kind == result.KindLaw
}

func known(v result.Verdict) bool {
	return slices.Contains([]result.Verdict{result.Pass, result.NotRun, result.Fail, result.Error, result.Fault}, v)
}
