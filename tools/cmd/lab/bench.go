package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/spf13/cobra"

	"workbook.example/tools/bench"
	"workbook.example/tools/course"
	"workbook.example/tools/report"
	"workbook.example/tools/run"
	"workbook.example/tools/sources"
)

type benchVerb struct {
	from   string
	match  string
	rounds int
	time   time.Duration
}

func newBench() *cobra.Command {
	v := &benchVerb{}
	cmd := &cobra.Command{
		Use:   "bench [LAB]",
		Short: "Measure your code beside the solution",
		Long: `Bench runs the benchmarks of a lab on your code and on the solution, in turns
in one run, and says how the two compare: each figure is the median of all
rounds, with the lowest and the highest.`,
		Example: `  lab bench 2
  lab bench 2 --match Decoder --rounds 10`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if v.rounds < 1 || v.time <= 0 {
				return usagef("--rounds and --time must be more than nothing; type `lab bench 2 --rounds 5 --time 200ms`")
			}
			c, err := openCourse()
			if err != nil {
				return err
			}
			lab, err := pickLab(c, "bench", args)
			if err != nil {
				return err
			}
			return v.run(cmd.Context(), lab)
		},
	}
	cmd.Flags().StringVar(&v.from, "from", "", "take the code from this `folder`")
	cmd.Flags().StringVar(&v.match, "match", ".", "only benchmarks whose name matches this `expression`")
	cmd.Flags().IntVar(&v.rounds, "rounds", 5, "how often each side is measured")
	cmd.Flags().DurationVar(&v.time, "time", 200*time.Millisecond, "how long a benchmark runs in a round")
	return cmd
}

func (v *benchVerb) run(ctx context.Context, lab *course.Lab) error {
	status := report.NewStatus(os.Stderr)
	defer status.Clear()
	status.Show(fmt.Sprintf("Lab %d: building …", lab.Number))

	code := choice{from: v.from}
	yours, err := v.build(ctx, lab, code.set)
	if err != nil {
		var broken *run.BuildError
		if errors.As(err, &broken) {
			status.Clear()
			return errors.Join(errFailed, report.View{Style: report.StyleOf(os.Stdout)}.Failure(os.Stdout, broken.Failure))
		}
		return err
	}
	defer yours.Close()
	theirs, err := v.build(ctx, lab, sources.Solution)
	if err != nil {
		return err
	}
	defer theirs.Close()

	comparison, err := bench.Compare(ctx,
		bench.Side{Name: "yours", Binary: yours.Path()},
		bench.Side{Name: "solution", Binary: theirs.Path()},
		bench.Options{
			Dir: lab.Dir, Match: v.match, Rounds: v.rounds, Time: v.time,
			Progress: func(round, rounds int, side string) {
				status.Show(fmt.Sprintf("Lab %d: round %d of %d, %s …", lab.Number, round, rounds, side))
			},
		})
	if err != nil {
		return err
	}
	status.Clear()
	return comparison.Write(os.Stdout)
}

// build builds a set without the race detector, which would be what is
// measured.
func (v *benchVerb) build(ctx context.Context, lab *course.Lab, of func(*course.Lab) (*sources.Set, error)) (*run.Binary, error) {
	set, err := of(lab)
	if err != nil {
		return nil, err
	}
	return run.Build(ctx, lab, set, run.Options{Race: run.RaceOff})
}
