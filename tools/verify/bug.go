package verify

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"workbook.example/tools/course"
	"workbook.example/tools/result"
	"workbook.example/tools/run"
	"workbook.example/tools/sources"
)

// tries is how often a bug may get away before it counts as not caught. A bug
// that is caught each time is what a lab's author is after, and who needs more
// than one try is told by name. But with hundreds of bugs, all of which live
// on what two programs do at once, one that gets away once in a thousand runs
// must not decide whether all of the work is right.
const tries = 3

// A trial is one bug under a lab's tests.
type trial struct {
	report *Report
	lab    *course.Lab
	bug    sources.BugInfo
	binary *run.Binary
	opts   run.Options
}

// bug proves that a wrong solution is caught by the test that is there for it,
// and that no earlier stage fails.
func (r *Report) bug(ctx context.Context, lab *course.Lab, b sources.BugInfo) error {
	started := time.Now()
	where := "bug " + b.Slug
	set, err := sources.Bug(lab, b.Slug)
	if err != nil {
		r.find(where, "%s", strings.TrimPrefix(err.Error(), where+": "))
		return nil
	}
	set.Without = testsAfter(lab, b.Stage)
	opts := run.Options{Race: run.RaceOff}
	if b.Race {
		opts.Race = run.RaceAuto
	}
	binary, err := run.Build(ctx, lab, set, opts)
	if broken, ok := errors.AsType[*run.BuildError](err); ok {
		r.notBuilt(where, broken.Failure)
		return nil
	}
	if err != nil {
		return err
	}
	defer binary.Close()
	if b.Race && !binary.Result().Race {
		r.notTried("%s: only the race detector can catch it, and there is no C compiler", where)
		return nil
	}

	t := &trial{report: r, lab: lab, bug: b, binary: binary, opts: opts}
	proof := Proof{Bug: b.Slug, Stage: b.Stage}
	proof.Caught, proof.Tries, err = t.caught(ctx)
	if err != nil {
		return err
	}
	if proof.Caught {
		proof.Caught, err = t.earlierStagesPass(ctx)
	}
	if err != nil {
		return err
	}
	proof.Seconds = time.Since(started).Seconds()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Proofs = append(r.Proofs, proof)
	if proof.Caught {
		r.Caught++
	}
	return nil
}

// testsAfter names the test files of the stages after one. Compiling tests is
// most of what a bug costs, and nobody runs these.
func testsAfter(lab *course.Lab, stage int) []string {
	var names []string
	for _, s := range lab.Stages {
		if s.ID > stage {
			files, _ := filepath.Glob(filepath.Join(lab.Dir, fmt.Sprintf("stage%d_*_test.go", s.ID)))
			for _, f := range files {
				names = append(names, filepath.Base(f))
			}
		}
	}
	return names
}

// caught runs the test that is there for the bug, until it has caught it.
func (t *trial) caught(ctx context.Context) (bool, int, error) {
	for try := 1; ; try++ {
		verdict, err := t.run(ctx, func(name string) bool { return name == t.bug.CaughtBy })
		if err != nil || len(verdict.Tests) == 0 { // a header that is wrong: agree has told
			return false, try, err
		}
		test := verdict.Tests[0]
		text := saw(test)
		switch test.Verdict {
		case result.Fail, result.Error:
			if strings.Contains(text, t.bug.Says) {
				return true, try, nil
			}
			t.findWith(text, "%s catches it, but does not say %q", t.bug.CaughtBy, t.bug.Says)
			return false, try, nil
		case result.NotRun:
			t.report.notTried("bug %s: %s cannot be run here", t.bug.Slug, t.bug.CaughtBy)
			return false, try, nil
		case result.Pass:
			if try == tries {
				return false, try, t.gotAway(ctx)
			}
		default:
			t.findWith(text, "%s has the verdict %q", t.bug.CaughtBy, test.Verdict)
			return false, try, nil
		}
	}
}

// gotAway finds what the other tests of the stage say about a bug that its own
// does not catch.
func (t *trial) gotAway(ctx context.Context) error {
	others, err := t.run(ctx, func(name string) bool { return name != t.bug.CaughtBy })
	if err != nil {
		return err
	}
	var instead []string
	for _, test := range others.Tests {
		if test.Verdict != result.Pass && test.Verdict != result.NotRun {
			instead = append(instead, test.Name)
		}
	}
	if len(instead) > 0 {
		t.findWith("", "%s passes; it was caught by %s instead", t.bug.CaughtBy, strings.Join(instead, ", "))
	} else {
		t.findWith("", "it was not caught: %s passes, and so does the rest of stage %d", t.bug.CaughtBy, t.bug.Stage)
	}
	return nil
}

// run runs the tests of the bug's stage that are wanted.
func (t *trial) run(ctx context.Context, wanted func(test string) bool) (result.Stage, error) {
	stage, err := t.lab.Stage(t.bug.Stage)
	if err != nil {
		return result.Stage{}, nil // agree has told
	}
	some := *stage
	some.Tests = slices.DeleteFunc(slices.Clone(stage.Tests), func(test course.Test) bool { return !wanted(test.Name) })
	return t.binary.Stage(ctx, &some, t.opts)
}

// earlierStagesPass proves that the bug is of its stage and of no earlier one: the
// tests of all of them pass in one process, which is the quickest. If they do not,
// each stage is run as a learner's is, and more than once: on a machine that is busy
// with the other bugs, a law about time may have had too little of it.
func (t *trial) earlierStagesPass(ctx context.Context) (bool, error) {
	var earlier []course.Stage
	var all course.Stage
	for _, stage := range t.lab.Stages {
		if stage.ID < t.bug.Stage {
			earlier = append(earlier, stage)
			all.Tests = append(all.Tests, stage.Tests...)
		}
	}
	if len(earlier) == 0 {
		return true, nil
	}
	if s, err := t.binary.Stage(ctx, &all, t.opts); err != nil || held(s) {
		return err == nil, err
	}
	for i := range earlier {
		for try := 1; ; try++ {
			s, err := t.binary.Stage(ctx, &earlier[i], t.opts)
			if err != nil {
				return false, err
			}
			if held(s) {
				break
			}
			if try == tries {
				test := firstNot(s, result.Pass)
				t.findWith(saw(test), "it is of stage %d, but stage %d fails already (%s)", t.bug.Stage, s.ID, test.Name)
				return false, nil
			}
		}
	}
	return true, nil
}

// held reports whether nothing of a stage fails that can be run here.
func held(s result.Stage) bool { return s.Verdict == result.Pass || s.Verdict == result.NotRun }

func (t *trial) findWith(more, format string, args ...any) {
	t.report.findWith(more, "bug "+t.bug.Slug, format, args...)
}
