// Package check runs everything that must hold before a change lands: the
// form of the code, the tests of the tools, and the proof that every lab's
// tests earn their place. `make test` is this, here and in CI.
//
// It needs Go, make and git. What else it could use and does not find, it
// leaves out, counts and names at the end.
package check

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"strings"
	"time"
)

// Tally counts what was checked.
type Tally struct {
	Passed  int
	Failed  int
	Skipped []string // what could not be exercised on this machine, and why
}

func (t *Tally) add(more Tally) {
	t.Passed += more.Passed
	t.Failed += more.Failed
	t.Skipped = append(t.Skipped, more.Skipped...)
}

// String is the line that a CI reads.
func (t Tally) String() string {
	return fmt.Sprintf("%d passed, %d failed, %d skipped", t.Passed, t.Failed, len(t.Skipped))
}

// Step is one part of the check.
type Step struct {
	Name string
	// Do returns what it counted and what there is to say: a word or two when
	// everything is well, all there is to read when not.
	Do func(ctx context.Context) (Tally, string)
}

// Run does the steps in their order, says on w how each went, and returns the
// sum. A step that fails does not stop the others: one run shows everything
// that is wrong.
func Run(ctx context.Context, w io.Writer, steps []Step) Tally {
	var total Tally
	for _, step := range steps {
		if ctx.Err() != nil {
			total.Failed++
			fmt.Fprintf(w, "FAIL  %s: interrupted\n", step.Name)
			break
		}
		started := time.Now()
		tally, said := step.Do(ctx)
		total.add(tally)
		word := "ok  "
		if tally.Failed > 0 {
			word = "FAIL"
		} else if tally.Passed == 0 {
			word = "skip"
		}
		fmt.Fprintf(w, "%s  %-22s %6.1f s  ", word, step.Name, time.Since(started).Seconds())
		if tally.Failed > 0 {
			fmt.Fprintf(w, "\n%s\n", indent(said))
		} else {
			fmt.Fprintln(w, said)
		}
	}
	if len(total.Skipped) > 0 {
		fmt.Fprintln(w, "\nNot exercised on this machine:")
		for _, s := range total.Skipped {
			fmt.Fprintln(w, "  -", s)
		}
	}
	fmt.Fprintf(w, "\n%s\n", total)
	return total
}

func indent(text string) string {
	return "      " + strings.ReplaceAll(strings.TrimSpace(text), "\n", "\n      ")
}

// command runs a program in dir and returns what it printed.
func command(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = append(cmd.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return string(out), err
}
