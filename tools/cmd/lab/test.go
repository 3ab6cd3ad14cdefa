package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"workbook.example/tools/course"
	"workbook.example/tools/report"
	"workbook.example/tools/result"
	"workbook.example/tools/run"
	"workbook.example/tools/sources"
)

type testVerb struct {
	choice
	all     bool
	stages  []int
	race    string
	seed    string
	json    string
	junit   string
	verbose bool
}

func newTest() *cobra.Command {
	v := &testVerb{}
	cmd := &cobra.Command{
		Use:   "test [LAB]",
		Short: "Test a lab: which stages pass, and what to do next",
		Long: `Test runs a lab's tests on your code. It shows all stages on a line, and then
only the first failing test of the first failing stage, in full.

The exit status is 0 if all stages that were asked for pass, 1 if some do not,
2 if the command was not understood, 3 if the workbook itself is in trouble.`,
		Example: `  lab test 2                        all stages of lab 2
  lab test 2 --stage 4              only stage 4
  lab test 2 --from ~/class/anna    the code that somebody handed in
  lab test --all --json results.json --junit results.xml`,
		RunE: func(cmd *cobra.Command, args []string) error { return v.run(cmd, args) },
	}
	v.choice.flags(cmd, true)
	cmd.Flags().BoolVar(&v.all, "all", false, "test all labs, and write a line for each")
	cmd.Flags().IntSliceVar(&v.stages, "stage", nil, "test only stage `N`")
	cmd.Flags().StringVar(&v.race, "race", "auto", "`when` to use the race detector: auto, on or off")
	cmd.Flags().StringVar(&v.seed, "seed", "", "replay what was random with seed `S`")
	cmd.Flags().StringVar(&v.json, "json", "", "write the result as JSON to `FILE` (- is standard output); an array with --all")
	cmd.Flags().StringVar(&v.junit, "junit", "", "write the result as JUnit XML to `FILE` (- is standard output)")
	cmd.Flags().BoolVarP(&v.verbose, "verbose", "v", false, "show every test in full, with what the code printed")
	return cmd
}

func (v *testVerb) run(cmd *cobra.Command, args []string) error {
	switch run.Race(v.race) {
	case run.RaceAuto, run.RaceOn, run.RaceOff:
	default:
		return usagef("--race=%s: say --race=auto, --race=on or --race=off", v.race)
	}
	if v.json == "-" && v.junit == "-" {
		return usagef("--json - and --junit - would both write to standard output; give one of them a file")
	}
	c, err := openCourse()
	if err != nil {
		return err
	}
	if v.all {
		if len(args) > 0 {
			return usagef("--all means every lab; type `lab test --all`, or `lab test %s`", args[0])
		}
		if v.bug != "" || len(v.stages) > 0 {
			return usagef("--all means everything of every lab; leave --bug and --stage out, or name a lab")
		}
		return v.every(cmd.Context(), c)
	}
	lab, err := pickLab(c, "test", args)
	if err != nil {
		return err
	}
	set, err := v.set(lab)
	if err != nil {
		return err
	}
	for _, id := range v.stages {
		if _, err := lab.Stage(id); err != nil {
			return usagef("--stage: %v; `lab list` shows them", err)
		}
	}

	r, err := v.test(cmd.Context(), lab, set)
	if err != nil {
		return err
	}
	view := report.View{Style: report.StyleOf(os.Stdout), Verbose: v.verbose}
	if set.Source.Kind == sources.KindLearner {
		view.Next = report.Next(c, lab, r)
	}
	if err := view.Print(v.talk(), r); err != nil {
		return err
	}
	return v.finish(r)
}

// every tests all labs. A folder that has nothing of a lab has not come to it
// yet.
func (v *testVerb) every(ctx context.Context, c *course.Course) error {
	sets := map[*course.Lab]*sources.Set{}
	for _, lab := range c.Labs {
		set, err := v.handedIn(lab)
		if err != nil {
			return err
		}
		if set != nil {
			sets[lab] = set
		}
	}
	if len(sets) == 0 {
		return usagef("--from: %s has nothing of any lab; it must have the labs' folders in it, such as %s", v.from, c.Labs[0].Folder)
	}

	view := report.View{Style: report.StyleOf(os.Stdout)}
	var results []*result.Result
	for _, lab := range c.Labs {
		if sets[lab] == nil {
			fmt.Fprintf(v.talk(), "– Lab %d · %s: nothing handed in\n", lab.Number, lab.Title)
			continue
		}
		r, err := v.test(ctx, lab, sets[lab])
		if err != nil {
			return err
		}
		if err := view.Line(v.talk(), r); err != nil {
			return err
		}
		results = append(results, r)
	}
	return v.finish(results...)
}

// handedIn is the set to test a lab on, nil if a folder has nothing of it.
func (v *testVerb) handedIn(lab *course.Lab) (*sources.Set, error) {
	if v.from == "" {
		return v.set(lab)
	}
	set, err := sources.Folder(lab, v.from)
	var empty *sources.EmptyError
	if errors.As(err, &empty) {
		return nil, nil
	}
	if err != nil {
		return nil, usagef("--from: %v", err)
	}
	return set, nil
}

func (v *testVerb) test(ctx context.Context, lab *course.Lab, set *sources.Set) (*result.Result, error) {
	status := report.NewStatus(os.Stderr)
	defer status.Clear()
	return run.Run(ctx, lab, set, run.Options{
		Stages: v.stages,
		Race:   run.Race(v.race),
		Seed:   v.seed,
		Listen: func(s run.Step) {
			if s.Stage == nil {
				status.Show(fmt.Sprintf("Lab %d: building …", lab.Number))
			} else {
				status.Show(fmt.Sprintf("Lab %d: stage %d of %d, %s …", lab.Number, s.Stage.ID, len(lab.Stages), s.Stage.Title))
			}
		},
	})
}

// talk is where a person reads: standard error, if a file goes to standard
// output.
func (v *testVerb) talk() io.Writer {
	if v.json == "-" || v.junit == "-" {
		return os.Stderr
	}
	return os.Stdout
}

// finish writes the files that were asked for and says whether all passes.
func (v *testVerb) finish(results ...*result.Result) error {
	err := write(v.json, func(w io.Writer) error {
		if v.all {
			return report.JSONList(w, results)
		}
		return report.JSON(w, results[0])
	})
	if err != nil {
		return err
	}
	if err := write(v.junit, func(w io.Writer) error { return report.JUnit(w, results) }); err != nil {
		return err
	}
	verdict := result.Pass
	for _, r := range results {
		verdict = result.Worst(verdict, r.Verdict)
	}
	switch verdict {
	case result.Pass:
		return nil
	case result.Fault:
		return exitStatus(exitFault)
	default:
		return errFailed
	}
}

// write writes a file that was asked for; none if its name is empty, standard
// output if it is a hyphen.
func write(file string, format func(io.Writer) error) (err error) {
	switch file {
	case "":
		return nil
	case "-":
		return format(os.Stdout)
	}
	f, err := os.Create(file)
	if err != nil {
		return usagef("%v", err)
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	return format(f)
}
