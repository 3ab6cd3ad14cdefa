package main

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"workbook.example/tools/course"
	"workbook.example/tools/report"
	"workbook.example/tools/run"
	"workbook.example/tools/sources"
)

func newHint() *cobra.Command {
	var stage, number int
	cmd := &cobra.Command{
		Use:   "hint [LAB]",
		Short: "Give a hint for the stage that you are at",
		Long: `Hint gives a hint for the first stage that does not pass yet. The first hint of
a stage is the idea, the next names the tools, the last shows a similar piece of
code; each tells how to get the one after it.`,
		Example: `  lab hint 2
  lab hint 2 --stage 4
  lab hint 2 --stage 4 --number 2`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := openCourse()
			if err != nil {
				return err
			}
			lab, err := pickLab(c, "hint", args)
			if err != nil {
				return err
			}
			s, err := hintStage(cmd.Context(), lab, stage)
			if err != nil {
				return err
			}
			hints, err := lab.Hints(s)
			if err != nil {
				return err
			}
			if len(hints) > 0 && (number < 1 || number > len(hints)) {
				return usagef("stage %d has the hints 1 to %d; type `lab hint %d --stage %d --number %d`", s.ID, len(hints), lab.Number, s.ID, len(hints))
			}
			return report.Hint(os.Stdout, report.StyleOf(os.Stdout), lab, s, hints, number)
		},
	}
	cmd.Flags().IntVar(&stage, "stage", 0, "give a hint for stage `N`, not for the one that you are at")
	cmd.Flags().IntVar(&number, "number", 1, "give hint `N` of the stage")
	return cmd
}

// hintStage is the stage that was asked for, or the first that does not pass.
func hintStage(ctx context.Context, lab *course.Lab, id int) (*course.Stage, error) {
	if id != 0 {
		s, err := lab.Stage(id)
		if err != nil {
			return nil, usagef("--stage: %v; `lab list` shows them", err)
		}
		return s, nil
	}
	set, err := sources.Learner(lab)
	if err != nil {
		return nil, err
	}
	s, err := run.FirstUnsolved(ctx, lab, set)
	var broken *run.BuildError
	switch {
	case errors.As(err, &broken):
		view := report.View{Style: report.StyleOf(os.Stdout)}
		if err := view.Failure(os.Stdout, broken.Failure); err != nil {
			return nil, err
		}
		return nil, errFailed
	case err != nil:
		return nil, err
	case s == nil:
		return nil, usagef("all stages of lab %d pass; for a hint all the same, type `lab hint %d --stage 1`", lab.Number, lab.Number)
	}
	return s, nil
}
