package main

import (
	"os"

	"github.com/spf13/cobra"

	"workbook.example/tools/report"
)

func newList() *cobra.Command {
	return &cobra.Command{
		Use:     "list",
		Short:   "Show the labs, their stages and what they are worth",
		Example: "  lab list",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return usagef("list takes no argument; type `lab list`")
			}
			return nil
		},
		RunE: func(*cobra.Command, []string) error {
			c, err := openCourse()
			if err != nil {
				return err
			}
			return report.List(os.Stdout, report.StyleOf(os.Stdout), c)
		},
	}
}
