// Command diag looks at the network:
//
//	diag ping 10.0.4.2
//	diag trace 10.0.4.2
//	diag sniff to-r1
//	diag flows file.pcapng
//
// `make net-lab` opens a shell in a network where all of them can be tried without
// root.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"
)

// verbs are what diag can do.
var verbs = map[string]func(ctx context.Context, args []string) error{}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "diag:", err)
		var usage usageError
		if errors.As(err, &usage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// usageError is a command line that makes no sense.
type usageError string

func (e usageError) Error() string { return string(e) }

func run(ctx context.Context, args []string) error {
	if len(args) == 0 || verbs[args[0]] == nil {
		return usageError("say what to do: diag ping ADDRESS, diag trace ADDRESS, diag sniff INTERFACE or diag flows FILE; diag ping -h lists what ping takes")
	}
	return verbs[args[0]](ctx, args[1:])
}
