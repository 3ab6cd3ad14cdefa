// Command heartbeat is the program of lab 4, to be tried by hand:
//
//	make run-lab 4 ARGS=watch
//	make run-lab 4 ARGS="send -name alice"
//
// The first shows who is there; the second is somebody who is. Ctrl-C, or
// SIGTERM, ends either.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const usage = `heartbeat tells over UDP who is still there.

  heartbeat watch [flags]   listen, and show who is alive, suspect, dead
  heartbeat send [flags]    beat

heartbeat watch -h and heartbeat send -h list the flags. Both take the key that
they share from the environment variable HEARTBEAT_KEY; without it, it is a key
that everybody knows.

  make run-lab 4 ARGS=watch                      in one terminal
  make run-lab 4 ARGS="send -name alice"         in another
  make run-lab 4 ARGS="send -peers 1000"         a thousand of them
`

// defaultAddr is where the monitor listens.
const defaultAddr = "127.0.0.1:9944"

// errUsage says that the command line was not understood.
var errUsage = errors.New("usage")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // so that the next signal ends the process
	switch err := run(ctx, os.Args[1:]); {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "heartbeat:", strings.TrimPrefix(err.Error(), errUsage.Error()+": "))
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "heartbeat:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return fmt.Errorf("%w: say watch or send", errUsage)
	}
	switch verb, args := args[0], args[1:]; verb {
	case "watch":
		return watch(ctx, args)
	case "send":
		return send(ctx, args)
	case "help", "-h", "-help", "--help":
		fmt.Print(usage)
		return nil
	default:
		return fmt.Errorf("%w: what is %q? Say watch or send; heartbeat -h explains both", errUsage, verb)
	}
}

// newFlags makes a set of flags for a verb.
func newFlags(verb string) *flag.FlagSet {
	f := flag.NewFlagSet(verb, flag.ContinueOnError)
	f.SetOutput(io.Discard) // an error is told once, by main
	f.Usage = func() {}
	return f
}

// parse reads the flags of a verb. What the verb does is said before them.
func parse(f *flag.FlagSet, about string, args []string) error {
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Printf("%s\n\n", about)
		f.SetOutput(os.Stdout)
		f.PrintDefaults()
		return err
	case err != nil:
		return fmt.Errorf("%w: %v; heartbeat %s -h lists what it takes", errUsage, err, f.Name())
	case f.NArg() > 0:
		return fmt.Errorf("%w: what is %q? heartbeat %s -h lists what it takes", errUsage, f.Arg(0), f.Name())
	}
	return nil
}

// key is what monitor and senders share.
func key() []byte { return []byte(os.Getenv("HEARTBEAT_KEY")) }
