package bench

import (
	"bytes"
	"context"
	"fmt"
	"os/exec"
	"slices"
	"time"

	"golang.org/x/perf/benchfmt"
)

// Side is one of the two that are compared.
type Side struct {
	Name   string // "yours", "solution"
	Binary string // a test binary, as `go test -c` makes it
}

// Options say how to measure. Its zero value measures every benchmark five
// times for a fifth of a second.
type Options struct {
	Dir      string        // the working directory of both binaries: the lab's folder
	Match    string        // which benchmarks, as for go test -bench; all if empty
	Rounds   int           // 5 if zero
	Time     time.Duration // of one benchmark in one round; 200 ms if zero
	Env      []string      // of both binaries; this process's own if nil
	Progress func(round, rounds int, side string)
}

// Comparison is the result of [Compare].
type Comparison struct {
	Yours, Theirs Side
	Rounds        int
	Time          time.Duration
	Rows          []Row
	// Said is what a side printed in the first round in which a benchmark
	// failed or was skipped, by the side's name.
	Said map[string]string
}

// Row is one measurement of one benchmark, round by round. A side that gave
// no result has no values.
type Row struct {
	Benchmark     string
	Unit          string // "sec/op", "B/op", "allocs/op", "deliveries/s", …
	Yours, Theirs []float64
}

// Compare runs the benchmarks of two test binaries in turns: yours, theirs,
// yours, theirs. What the machine does besides then falls on both alike.
func Compare(ctx context.Context, yours, theirs Side, o Options) (*Comparison, error) {
	o = o.orDefaults()
	c := &Comparison{Yours: yours, Theirs: theirs, Rounds: o.Rounds, Time: o.Time, Said: map[string]string{}}
	for round := range o.Rounds {
		// Every other round the other way round, so that neither is always second.
		sides := []Side{yours, theirs}
		if round%2 == 1 {
			slices.Reverse(sides)
		}
		for _, side := range sides {
			if o.Progress != nil {
				o.Progress(round+1, o.Rounds, side.Name)
			}
			out, failed := measure(ctx, side, o)
			if err := ctx.Err(); err != nil {
				return nil, err
			}
			if err := c.read(side, out); err != nil {
				return nil, fmt.Errorf("benchmarks of %s: %w", side.Name, err)
			}
			if (failed != nil || bytes.Contains(out, []byte("--- "))) && c.Said[side.Name] == "" {
				c.Said[side.Name] = string(out)
			}
		}
	}
	return c, nil
}

// Measure runs the benchmarks of one test binary, and gives what each measured,
// round by round, as Yours.
func Measure(ctx context.Context, side Side, o Options) ([]Row, error) {
	o = o.orDefaults()
	c := &Comparison{Yours: side}
	for round := range o.Rounds {
		if o.Progress != nil {
			o.Progress(round+1, o.Rounds, side.Name)
		}
		out, failed := measure(ctx, side, o)
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		if failed != nil {
			return nil, fmt.Errorf("benchmarks of %s: %w\n%s", side.Name, failed, out)
		}
		if err := c.read(side, out); err != nil {
			return nil, fmt.Errorf("benchmarks of %s: %w", side.Name, err)
		}
	}
	return c.Rows, nil
}

func (o Options) orDefaults() Options {
	if o.Match == "" {
		o.Match = "."
	}
	if o.Rounds == 0 {
		o.Rounds = 5
	}
	if o.Time == 0 {
		o.Time = 200 * time.Millisecond
	}
	return o
}

func measure(ctx context.Context, side Side, o Options) ([]byte, error) {
	cmd := exec.CommandContext(ctx, side.Binary,
		"-test.run=^$", "-test.bench="+o.Match, "-test.benchmem", "-test.benchtime="+o.Time.String())
	cmd.Dir, cmd.Env = o.Dir, o.Env
	return cmd.CombinedOutput()
}

// read adds the results in out to the rows.
func (c *Comparison) read(side Side, out []byte) error {
	r := benchfmt.NewReader(bytes.NewReader(out), side.Name)
	for r.Scan() {
		// What is not a result is the benchmark's or the code's own talk.
		res, ok := r.Result().(*benchfmt.Result)
		if !ok || res.Iters == 0 { // skipped after it began
			continue
		}
		for _, v := range res.Values {
			row := c.row(nameOf(res.Name), v.Unit)
			if side == c.Yours {
				row.Yours = append(row.Yours, v.Value)
			} else {
				row.Theirs = append(row.Theirs, v.Value)
			}
		}
	}
	return r.Err()
}

// nameOf is the name of a benchmark, with those of its sub-benchmarks and without
// the number of processors.
func nameOf(n benchfmt.Name) string {
	base, parts := n.Parts()
	name := string(base)
	for _, part := range parts {
		if part[0] == '/' {
			name += string(part)
		}
	}
	return name
}

func (c *Comparison) row(benchmark, unit string) *Row {
	for i := range c.Rows {
		if c.Rows[i].Benchmark == benchmark && c.Rows[i].Unit == unit {
			return &c.Rows[i]
		}
	}
	c.Rows = append(c.Rows, Row{Benchmark: benchmark, Unit: unit})
	return &c.Rows[len(c.Rows)-1]
}
