// Command diagbench measures diag beside ping, traceroute and tcpdump. It runs inside of
// a private network:
//
//	make bench-diag                  the solution's diag
//	make bench-diag ARGS="-rounds 9"
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"runtime"

	"workbook.example/tools/diagbench"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measure(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "diagbench:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("diagbench", flag.ContinueOnError)
	o := diagbench.Options{Progress: func(s string) { fmt.Fprintln(os.Stderr, s) }}
	flags.IntVar(&o.Rounds, "rounds", 5, "interleaved rounds")
	flags.IntVar(&o.Requests, "requests", 20000, "echo requests of a ping")
	flags.IntVar(&o.Frames, "frames", 200000, "datagrams of a capture")
	flags.StringVar(&o.Far, "far", "10.0.5.2", "`address` of the host five hops away")
	flags.StringVar(&o.Iface, "iface", "to-r1", "`interface` through which it is reached")
	if err := flags.Parse(args); err != nil {
		return err
	}
	contests, err := diagbench.Run(ctx, o)
	if err != nil {
		return err
	}
	machine := fmt.Sprintf("%d cores shared by all, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version())
	return diagbench.Write(os.Stdout, contests, o.Rounds, machine)
}
