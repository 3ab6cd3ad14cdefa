package labtest

import (
	"fmt"
	"runtime/debug"
	"time"

	"workbook.example/tools/result"
)

// probes are the probes of the stages, and what they said.
var probes = map[int]*probe{}

type probe struct {
	try  func() error
	done bool
	err  error
}

// Probe registers the smallest thing that shows whether a stage works at all:
// tests of later stages that build on it name it in Needs. A lab's
// harness_test.go registers one a stage, in an init function. A probe gives an
// error that says what is wrong; it cleans up behind itself; it runs at most
// once in a process, and has Patience to end.
func Probe(stage int, try func() error) {
	if probes[stage] != nil {
		panic(fmt.Sprintf("labtest: stage %d has a probe already", stage))
	}
	probes[stage] = &probe{try: try}
}

// Needs ends the test when one of the stages does not work: then nothing can
// be said about this law yet. It is the first call after Begin.
func (t *T) Needs(stages ...int) {
	t.Helper()
	for _, id := range stages {
		p := probes[id]
		if p == nil {
			panic(fmt.Sprintf("labtest: no probe is registered for stage %d", id))
		}
		if !p.done {
			p.err, p.done = attempt(p.try), true
			// What a probe left behind is no fault of this law.
			t.mu.Lock()
			t.baseline = measure()
			t.mu.Unlock()
		}
		if p.err != nil {
			t.gate(id, p.err)
		}
	}
}

// gate ends the test because of a stage that does not work.
func (t *T) gate(id int, err error) {
	t.Helper()
	f := result.Failure{Kind: result.KindGate, Seen: fmt.Sprintf(saidGate, stageName(id), err)}
	if l := theLab(); l.Lab != nil {
		if s, err := l.Stage(id); err == nil {
			f.Read, f.Again = l.Read(s), l.again(s)
			f.Hint = fmt.Sprintf("make hint %d", l.Number)
		}
	}
	t.record(result.Fail, f)
	t.stop()
}

// stageName is "Stage 1 (Framing)".
func stageName(id int) string {
	if l := theLab(); l.Lab != nil {
		if s, err := l.Stage(id); err == nil {
			return fmt.Sprintf(wordTitled, id, s.Title)
		}
	}
	return fmt.Sprintf(wordStage, id)
}

// attempt runs a probe, which may do anything that a learner's code may do.
func attempt(try func() error) error {
	done := make(chan error, 1)
	go func() {
		done <- func() (err error) {
			defer func() {
				if p := recover(); p != nil {
					dead := examine(debug.Stack(), "")
					err = fmt.Errorf(saidProbePanic, p, dead)
				}
			}()
			return try()
		}()
	}()
	select {
	case err := <-done:
		return err
	case <-time.After(Patience):
		return fmt.Errorf(saidProbeHang, seconds(Patience), examine(dump(), ""))
	}
}
