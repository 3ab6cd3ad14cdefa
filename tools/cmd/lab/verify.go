package main

import (
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"workbook.example/tools/course"
	"workbook.example/tools/report"
	"workbook.example/tools/verify"
)

func newVerify() *cobra.Command {
	var file string
	var jobs int
	cmd := &cobra.Command{
		Use:   "verify [LAB]",
		Short: "Prove that the tests of a lab earn their place",
		Long: `Verify is for those who write labs. It proves that the untouched stubs of a lab
fail every stage, that the solution passes, that every known bug is caught by
the test that its header names and in the words that its header asks for, and
that lab.toml, tests, brief and hints agree. Without a lab it verifies all.

The lab's folder is taken as it is: in a checkout that somebody has worked in,
verify says that stages pass which must not.`,
		Example: `  lab verify 2
  lab verify --json proof.json`,
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := openCourse()
			if err != nil {
				return err
			}
			labs := c.Labs
			if len(args) > 0 || c.At(".") != nil {
				lab, err := pickLab(c, "verify", args)
				if err != nil {
					return err
				}
				labs = []*course.Lab{lab}
			}
			if jobs < 0 {
				return usagef("--jobs %d: say how many at once, for example `lab verify --jobs 2`", jobs)
			}
			talk := io.Writer(os.Stdout)
			if file == "-" {
				talk = os.Stderr
			}
			var reports []*verify.Report
			verdict := error(nil)
			for _, lab := range labs {
				status := report.NewStatus(os.Stderr)
				r, err := verify.Lab(cmd.Context(), lab, verify.Options{
					Workers: jobs,
					Progress: func(done, total int, what string) {
						status.Show(fmt.Sprintf("lab %d: %d of %d, %s", lab.Number, done, total, what))
					},
				})
				status.Clear()
				if err != nil {
					return err
				}
				if err := r.Write(talk); err != nil {
					return err
				}
				if !r.OK() {
					verdict = errFailed
				}
				reports = append(reports, r)
			}
			return errors.Join(verdict, write(file, func(w io.Writer) error { return verify.JSON(w, reports) }))
		},
	}
	cmd.Flags().IntVar(&jobs, "jobs", 0, "how many bugs are judged at once (`number`); three a core if zero")
	cmd.Flags().StringVar(&file, "json", "", "write the reports as JSON to this `file` (- is standard output)")
	return cmd
}
