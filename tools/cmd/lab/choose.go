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
	cmd.Flags().StringVar(&c.from, "from", "", "take the code from `FOLDER`")
	cmd.Flags().BoolVar(&c.solution, "solution", false, "take the course's solution")
	if withBug {
		cmd.Flags().StringVar(&c.bug, "bug", "", "take the solution with the known bug `NAME` (see solutions/*/bugs)")
	}
}

// check refuses more than one answer to the question whose code is meant.
func (c *choice) check() error {
	var given []string
	if c.from != "" {
		given = append(given, "--from")
	}
	if c.solution {
		given = append(given, "--solution")
	}
	if c.bug != "" {
		given = append(given, "--bug")
	}
	if len(given) > 1 {
		return usagef("%s and %s both say whose code to take; give only one of them", given[0], given[1])
	}
	return nil
}

func (c *choice) set(lab *course.Lab) (*sources.Set, error) {
	if err := c.check(); err != nil {
		return nil, err
	}
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
