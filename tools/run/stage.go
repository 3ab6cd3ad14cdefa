package run

import (
	"context"
	"slices"
	"time"

	"workbook.example/tools/course"
	"workbook.example/tools/result"
)

// Stage runs the tests of a stage and judges them. Where the process dies in
// the middle, the test that was running gets the blame and those that had no
// chance yet get a new process.
func (b *Binary) Stage(ctx context.Context, stage *course.Stage, opts Options) (result.Stage, error) {
	started := time.Now()
	j := &judgement{binary: b, stage: stage, tests: map[string]*result.Test{}}
	var pending []string
	for _, t := range stage.Tests {
		pending = append(pending, t.Name)
	}
	for len(pending) > 0 {
		end, err := b.process(ctx, pending, opts)
		if err != nil {
			return result.Stage{}, err
		}
		j.take(end, pending)
		pending = slices.DeleteFunc(pending, func(name string) bool { return j.tests[name] != nil })
	}

	rs := newStage(stage)
	for _, t := range stage.Tests {
		rs.Tests = append(rs.Tests, *j.tests[t.Name])
	}
	rs.Output, rs.Cut = j.outside, j.cut
	rs.Verdict = result.Judge(rs.Tests)
	rs.Seconds = time.Since(started).Seconds()
	return rs, nil
}

// judgement collects the verdicts on a stage from as many processes as it
// takes.
type judgement struct {
	binary  *Binary
	stage   *course.Stage
	tests   map[string]*result.Test
	outside string // what was printed outside of any test
	cut     int
}

// take reads what a process left. It settles at least one of the pending tests,
// so that the next process has fewer.
func (j *judgement) take(end *ended, pending []string) {
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
				j.settle(end, j.silent(name))
			}
		}
	case settled && !end.alive():
		j.blame(end, last)
	case end.alive():
		for _, name := range pending {
			j.settle(end, j.silent(name))
		}
	default: // it died before any test began, and would again
		for _, name := range pending {
			j.settle(end, j.died(end, name))
		}
	}
}

// alive reports whether the process ran to the end of package testing.
func (e *ended) alive() bool { return e.stream.ended && e.dump == "" && !e.hung }

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
