// Package run is the workbook's one act: it runs a lab's laws on somebody's
// code and says what came of it. The code is built once, together with the
// lab's tests; then each stage runs in a process of its own, as far apart from
// the machine as the machine allows, so that a panic, an os.Exit or a deadlock
// costs no other stage its verdict.
package run

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"time"

	"workbook.example/tools/course"
	"workbook.example/tools/result"
	"workbook.example/tools/sources"
)

// Race says whether the race detector watches.
type Race string

// Auto uses the race detector where a C compiler is there to build it.
const (
	RaceAuto Race = "auto"
	RaceOn   Race = "on"
	RaceOff  Race = "off"
)

// Options say how a lab is run. The zero value runs all of it.
type Options struct {
	Stages []int  // which stages; none means all
	Race   Race   // empty means RaceAuto
	Seed   string // replays what was random

	// Quiet is how long a stage's process may go without a sign of progress
	// before it is asked what it is doing and ended. Every law has a guard of
	// its own in package labtest, so this one is for code that runs before any
	// law does. Zero means DefaultQuiet.
	Quiet time.Duration

	// Listen, where set, is told of each step before it begins.
	Listen func(Step)
}

// DefaultQuiet is longer than a law's own guard waits.
const DefaultQuiet = 15 * time.Second

// Step is something that a run is about to do.
type Step struct {
	Stage *course.Stage // nil: it builds
}

func (o Options) tell(s Step) {
	if o.Listen != nil {
		o.Listen(s)
	}
}

// Run builds a set and runs the stages that were asked for. The error is the
// workbook's own trouble; everything that the code can do wrong is in the
// result.
func Run(ctx context.Context, lab *course.Lab, set *sources.Set, opts Options) (*result.Result, error) {
	started := time.Now()
	stages, err := chosen(lab, opts.Stages)
	if err != nil {
		return nil, err
	}
	opts.tell(Step{})
	binary, err := Build(ctx, lab, set, opts)
	var broken *BuildError
	switch {
	case errors.As(err, &broken):
		r := broken.Result
		r.Build = &broken.Failure
		r.Stages = unjudged(stages, broken.Failure)
		return finish(r, started), nil
	case err != nil:
		return nil, err
	}
	defer binary.Close()

	r := binary.Result()
	most, hung := mostHung, 0
	for _, stage := range stages {
		opts.tell(Step{Stage: stage})
		s, more, err := binary.stage(ctx, stage, opts, most)
		if err != nil {
			return nil, err
		}
		if hung += more; hung >= mostHung {
			most = mostHungAgain
		}
		r.Stages = append(r.Stages, s)
	}
	return finish(r, started), nil
}

func finish(r result.Result, started time.Time) *result.Result {
	var vs []result.Verdict
	for _, s := range r.Stages {
		vs = append(vs, s.Verdict)
	}
	r.Verdict = result.Worst(vs...)
	r.Points = result.Tally(r.Stages)
	r.Started = started
	r.Seconds = time.Since(started).Seconds()
	return &r
}

func chosen(lab *course.Lab, ids []int) ([]*course.Stage, error) {
	var stages []*course.Stage
	for i := range lab.Stages {
		if len(ids) == 0 || slices.Contains(ids, lab.Stages[i].ID) {
			stages = append(stages, &lab.Stages[i])
		}
	}
	for _, id := range ids {
		if _, err := lab.Stage(id); err != nil {
			return nil, err
		}
	}
	return stages, nil
}

// unjudged are the stages of code that does not build: all of their tests have
// the same thing to say.
func unjudged(stages []*course.Stage, f result.Failure) []result.Stage {
	var out []result.Stage
	for _, s := range stages {
		rs := newStage(s)
		for _, t := range s.Tests {
			rs.Tests = append(rs.Tests, result.Test{Name: t.Name, Verdict: result.Error, Failure: &result.Failure{Kind: f.Kind, Seen: f.Seen}})
		}
		rs.Verdict = result.Judge(rs.Tests)
		out = append(out, rs)
	}
	return out
}

func newStage(s *course.Stage) result.Stage {
	return result.Stage{ID: s.ID, Title: s.Title, Extension: s.Extension, Points: s.Points}
}

func newResult(lab *course.Lab, set *sources.Set) result.Result {
	return result.Result{
		Version:  result.Version,
		Lab:      result.Lab{Number: lab.Number, Folder: lab.Folder, Title: lab.Title},
		Source:   set.Source,
		Platform: runtime.GOOS + "/" + runtime.GOARCH,
	}
}
