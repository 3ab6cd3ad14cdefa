package main

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"workbook.example/tools/course"
	"workbook.example/tools/report"
	"workbook.example/tools/run"
	"workbook.example/tools/sources"
)

func newRun() *cobra.Command {
	v := &choice{}
	cmd := &cobra.Command{
		Use:   "run [LAB] [-- ARGUMENTS]",
		Short: "Start the program of a lab, from your code",
		Long: `Run builds the program of a lab from your code and starts it, with your
terminal as its own. What follows two hyphens goes to the program. Ctrl-C
reaches the program; lab ends with the program's exit status.`,
		Example: `  lab run 2
  lab run 2 -- -addr 127.0.0.1:9999
  lab run 2 --solution`,
		RunE: func(cmd *cobra.Command, args []string) error {
			mine, theirs := args, []string(nil)
			if dash := cmd.ArgsLenAtDash(); dash >= 0 {
				mine, theirs = args[:dash], args[dash:]
			}
			c, err := openCourse()
			if err != nil {
				return err
			}
			if len(mine) > 1 {
				return usagef("two hyphens go before the program's own arguments: type `lab run %s -- %s`", mine[0], mine[1])
			}
			lab, err := pickLab(c, "run", mine)
			if err != nil {
				return err
			}
			if lab.Program == "" {
				return usagef("lab %d has no program; `lab test %d` tests it", lab.Number, lab.Number)
			}
			set, err := v.set(lab)
			if err != nil {
				return err
			}
			return runProgram(cmd.Context(), lab, set, theirs)
		},
	}
	v.flags(cmd, false)
	return cmd
}

func runProgram(ctx context.Context, lab *course.Lab, set *sources.Set, args []string) error {
	dir, err := os.MkdirTemp("", "workbook-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	program, err := run.Program(ctx, lab, set, dir)
	var broken *run.BuildError
	if errors.As(err, &broken) {
		view := report.View{Style: report.StyleOf(os.Stderr)}
		if err := view.Failure(os.Stderr, broken.Failure); err != nil {
			return err
		}
		return errFailed
	}
	if err != nil {
		return err
	}

	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer signal.Stop(signals)
	cmd := exec.Command(program, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	if err := cmd.Start(); err != nil {
		return err
	}
	go func() {
		for s := range signals {
			// A terminal sends Ctrl-C to the program as well as to this one.
			if s != os.Interrupt || !term.IsTerminal(int(os.Stdin.Fd())) {
				_ = cmd.Process.Signal(s)
			}
		}
	}()
	err = cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		return err
	}
	if code := exit.ExitCode(); code >= 0 {
		return exitStatus(code)
	}
	return exitStatus(exitFail) // ended by a signal
}
