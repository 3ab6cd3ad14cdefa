package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"

	"github.com/spf13/cobra"

	"workbook.example/tools/netshell"
	"workbook.example/tools/sandbox"
)

func newNet() *cobra.Command {
	v := &choice{}
	o := netshell.Options{}
	cmd := &cobra.Command{
		Use:   "net [-- COMMAND]",
		Short: "Open a shell in a private network",
		Long: `Net makes a network of several machines inside this one, with routers between
them, prints a map of it, and opens a shell on one of its machines. It needs no
root. The programs of the labs are there, built from your code, and so is every
program of this machine; "on r1 COMMAND" runs one on another machine. What
follows two hyphens is run in place of the shell.`,
		Example: `  lab net
  lab net --routers 5
  lab net --solution -- diag trace 10.0.4.2`,
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 && cmd.ArgsLenAtDash() != 0 {
				return usagef("two hyphens go before a command: type `lab net -- %s`", args[0])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.Routers < 0 || o.Routers > 200 {
				return usagef("--routers takes a number from 0 to 200")
			}
			if err := v.check(); err != nil {
				return err
			}
			c, err := openCourse()
			if err != nil {
				return err
			}
			// Ctrl-C is for what runs in the network.
			signals := make(chan os.Signal, 1)
			signal.Notify(signals, os.Interrupt)
			defer signal.Stop(signals)
			if !sandbox.Inside() {
				return inSandbox()
			}
			o.Command, o.Quiet, o.Set = args, len(args) > 0, v.set
			return status(netshell.Run(cmd.Context(), c, os.Stdout, o))
		},
	}
	cmd.Flags().IntVar(&o.Routers, "routers", 3, "how many routers stand between here and far")
	v.flags(cmd, false)
	return cmd
}

// inSandbox runs this very command in a namespace.
func inSandbox() error {
	iso := sandbox.Detect()
	if iso.Level != sandbox.Namespace {
		fmt.Fprintf(os.Stderr, "lab: a private network cannot be made here: %s\n", iso.Reason)
		if iso.Remedy != "" {
			fmt.Fprintf(os.Stderr, "     %s\n", iso.Remedy)
		}
		return errFailed
	}
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := sandbox.Command(iso, exe, os.Args[1:]...)
	forPerson(cmd)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
	return status(cmd.Run())
}

// status passes on how a program ended that had the terminal.
func status(err error) error {
	var exit *exec.ExitError
	switch {
	case errors.Is(err, netshell.ErrNoCommand):
		return usagef("%v", err)
	case !errors.As(err, &exit):
		return err
	case exit.ExitCode() >= 0:
		return exitStatus(exit.ExitCode())
	}
	return exitStatus(exitFail) // ended by a signal
}
