package main

import (
	"github.com/spf13/cobra"

	"workbook.example/tools/course"
	"workbook.example/tools/sources"
)

// choice is the flags that say whose code is meant.
type choice struct {
	from     string
	solution bool
	bug      string
}

func (c *choice) flags(cmd *cobra.Command, withBug bool) {
	cmd.Flags().StringVar(&c.from, "from", "", "take the code from this `folder`")
	cmd.Flags().BoolVar(&c.solution, "solution", false, "take the course's solution")
	flags := []string{"from", "solution"}
	if withBug {
		cmd.Flags().StringVar(&c.bug, "bug", "", "take the solution with this known bug (a `name` in solutions/*/bugs)")
		flags = append(flags, "bug")
	}
	cmd.MarkFlagsMutuallyExclusive(flags...)
}

func (c *choice) set(lab *course.Lab) (*sources.Set, error) {
	switch {
	case c.from != "":
		set, err := sources.Folder(lab, c.from)
		if err != nil {
			return nil, usagef("--from: %v", err)
		}
		return set, nil
	case c.solution:
		return sources.Solution(lab)
	case c.bug != "":
		set, err := sources.Bug(lab, c.bug)
		if err != nil {
			return nil, usagef("--bug: %v", err)
		}
		return set, nil
	default:
		return sources.Learner(lab)
	}
}
