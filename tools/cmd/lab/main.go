// Command lab runs the workbook: it tests a lab, shows what there is, starts a
// lab's program, gives a hint.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"workbook.example/tools/course"
	"workbook.example/tools/sandbox"
)

// The exit statuses of every verb.
const (
	exitPass  = 0 // all that was asked for passes
	exitFail  = 1 // some of it does not
	exitUsage = 2 // the command was not understood
	exitFault = 3 // our own trouble
)

func main() {
	sandbox.Init()
	// A second Ctrl-C ends the program at once, should the first one hang.
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	context.AfterFunc(ctx, stop)
	os.Exit(execute(ctx))
}

// failed is returned by a verb whose work was done and whose answer is no.
var errFailed = errors.New("not all of it passes")

// usageError is wrong use, told in one sentence that says what to type.
type usageError struct{ sentence string }

func (e usageError) Error() string { return e.sentence }

func usagef(format string, args ...any) error {
	return usageError{fmt.Sprintf(format, args...)}
}

func execute(ctx context.Context) int {
	root := newRoot()
	err := root.ExecuteContext(ctx)
	var wrong usageError
	var status exitStatus
	switch {
	case err == nil:
		return exitPass
	case errors.Is(err, errFailed):
		return exitFail
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &wrong):
		fmt.Fprintln(os.Stderr, "lab:", wrong.sentence)
		return exitUsage
	case ctx.Err() != nil:
		fmt.Fprintln(os.Stderr, "lab: interrupted")
		return exitFault
	default:
		fmt.Fprintln(os.Stderr, "lab:", err)
		return exitFault
	}
}

// exitStatus is the status of a program that lab ran for the user.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

func newRoot() *cobra.Command {
	root := &cobra.Command{
		Use:   "lab",
		Short: "Work through the labs of this workbook",
		Long: `lab works through the labs of this workbook: it tests what you have written,
shows what to do next, and starts the programs that you build.

A lab is named by its number (2), its folder (02-tcp-server) or its short name
(tcp-server). Inside a lab's folder the name may be left out.`,
		Example:           "  lab list\n  lab test 2\n  lab hint 2\n  lab run 2",
		SilenceErrors:     true,
		SilenceUsage:      true,
		CompletionOptions: cobra.CompletionOptions{DisableDefaultCmd: true},
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usagef("there is no verb %q; `lab help` shows those that there are%s", args[0], suggest(cmd, args[0]))
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.SuggestionsMinimumDistance = 2
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		var value *pflag.InvalidValueError
		if errors.As(err, &value) && strings.HasPrefix(value.GetFlag().Value.Type(), "int") {
			return usagef("--%s takes a number, not %q", value.GetFlag().Name, value.GetValue())
		}
		return usagef("%v; `lab help %s` shows what it takes", err, cmd.Name())
	})
	root.AddCommand(verbs()...)
	return root
}

// suggest names the verbs that are spelt almost like what was typed; between
// several, those that begin like it.
func suggest(cmd *cobra.Command, typed string) string {
	near := cmd.SuggestionsFor(typed)
	alike := slices.DeleteFunc(slices.Clone(near), func(verb string) bool { return verb[0] != typed[0] })
	if len(alike) > 0 {
		near = alike
	}
	if len(near) > 0 {
		return fmt.Sprintf(" (did you mean `lab %s`?)", strings.Join(near, "` or `lab "))
	}
	return ""
}

// openCourse reads the workbook around the working directory.
func openCourse() (*course.Course, error) {
	c, err := course.Open(".")
	if errors.Is(err, course.ErrNoWorkbook) {
		return nil, usagef("this folder is not inside the workbook; go there first, with `cd` and the path of your copy")
	}
	if err != nil {
		return nil, err
	}
	if len(c.Labs) == 0 {
		return nil, usagef("the workbook in %s has no labs; is the copy complete?", c.Root)
	}
	return c, nil
}

// pickLab finds the lab that the arguments name, or the one around the working
// directory.
func pickLab(c *course.Course, verb string, args []string) (*course.Lab, error) {
	if len(args) > 1 {
		return nil, usagef("one lab at a time: type `lab %s %s`", verb, args[0])
	}
	if len(args) == 1 {
		lab, err := c.Lab(args[0])
		if err != nil && c.At(args[0]) != nil { // "." and the like
			return c.At(args[0]), nil
		}
		if err != nil {
			return nil, usagef("%v; type for example `lab %s %d`", err, verb, c.Labs[0].Number)
		}
		return lab, nil
	}
	if lab := c.At("."); lab != nil {
		return lab, nil
	}
	return nil, usagef("which lab? Type for example `lab %s %d` (`lab list` shows them)", verb, c.Labs[0].Number)
}
