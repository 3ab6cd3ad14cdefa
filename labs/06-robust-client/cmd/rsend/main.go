// Command rsend sends lines to a server that you stop and start as you like, and
// shows every attempt, what came of it, and the wait:
//
//	make run-lab 6
//	make run-lab 6 ARGS="-addr 127.0.0.1:9999 -base 1s -jitter none"
//	make run-lab 6 ARGS="-login alice"
//
// For a server take `nc -l -k 127.0.0.1 8888`, or lab 2's: `make run-lab 2`.
// Ctrl-D ends it when all is sent, Ctrl-C at once, a second Ctrl-C without
// manners.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	robustclient "workbook.example/labs/06-robust-client"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "rsend:", err)
		var usage usageError
		if errors.As(err, &usage) {
			os.Exit(2)
		}
		os.Exit(1)
	}
}

// usageError is a command line that makes no sense.
type usageError string

func (e usageError) Error() string { return string(e) + "; rsend -h lists what it takes" }

func run() error {
	client := &robustclient.Client{}
	s := newSender(client)
	flag.StringVar(&client.Addr, "addr", "127.0.0.1:8888", "`address` of the server, host:port")
	flag.StringVar(&s.name, "login", "", "log in to a chat server under this `name`, and wait for the answer to each line")
	flag.DurationVar(&client.Backoff.Base, "base", robustclient.DefaultBase, "wait after the first failure")
	flag.DurationVar(&client.Backoff.Cap, "cap", 10*time.Second, "longest wait")
	jitter := flag.String("jitter", "full", "what chance does to the wait: full, equal, decorrelated or none")
	flag.DurationVar(&client.AttemptTimeout, "attempt", robustclient.DefaultAttemptTimeout, "time that one attempt has")
	flag.DurationVar(&client.Budget, "budget", 0, "time for all attempts together; 0 is no limit")
	flag.IntVar(&client.MaxAttempts, "attempts", 0, "most attempts in a row; 0 is no limit")
	flag.DurationVar(&s.reply, "reply", 5*time.Second, "time to send a line and, with -login, to get its answer")
	flag.DurationVar(&client.CloseTimeout, "close", robustclient.DefaultCloseTimeout, "time that the server has at the end")
	flag.CommandLine.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage of rsend:")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 {
		return usageError(fmt.Sprintf("%q is not an option, and rsend takes nothing else: what it sends comes from standard input", flag.Arg(0)))
	}
	for name, d := range map[string]time.Duration{"base": client.Backoff.Base, "cap": client.Backoff.Cap, "attempt": client.AttemptTimeout, "budget": client.Budget, "reply": s.reply, "close": client.CloseTimeout} {
		if d < 0 {
			return usageError(fmt.Sprintf("-%s %v is less than nothing", name, d))
		}
	}
	if client.MaxAttempts < 0 {
		return usageError(fmt.Sprintf("-attempts %d is less than none", client.MaxAttempts))
	}
	if _, _, err := net.SplitHostPort(client.Addr); err != nil {
		return usageError(fmt.Sprintf("-addr %s is not host:port", client.Addr))
	}
	kind, ok := map[string]robustclient.Jitter{
		"full": robustclient.FullJitter, "equal": robustclient.EqualJitter,
		"decorrelated": robustclient.DecorrelatedJitter, "none": robustclient.NoJitter,
	}[*jitter]
	if !ok {
		return usageError(fmt.Sprintf("there is no jitter %q", *jitter))
	}
	client.Backoff.Jitter = kind

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, stop) // so that the next signal ends the process
	return s.run(ctx, os.Stdin)
}
