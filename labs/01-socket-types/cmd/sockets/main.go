// Command sockets shows what sockets really are on this machine:
//
//	make run-lab 1                                   every kind, as the kernel has it
//	make run-lab 1 ARGS="127.0.0.1:8888"             a connection to there
//	make run-lab 1 ARGS="-listen 127.0.0.1:8888"     a listener there
//
// Everything that it prints it asks your code for.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	sockettypes "workbook.example/labs/01-socket-types"
)

const usage = `sockets shows what sockets really are on this machine.

  sockets                            every kind of socket, read back from live ones
  sockets 127.0.0.1:8888             connect over TCP, and describe the socket
  sockets localhost:http             the same, with names; tcp: may stand before it
  sockets udp:127.0.0.1:8888         connect a UDP socket; nothing is sent
  sockets /run/some/socket           connect to a Unix socket
  sockets -listen :8888              open a listener, describe it, close it again
  sockets -listen udp:127.0.0.1:0    the same with a UDP socket, on a free port

Flags:
`

// Exit codes, besides 0.
const (
	exitFailed = 1 // the socket could not be had, or not be described
	exitUsage  = 2
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // so that a second Ctrl-C ends the process at once
	os.Exit(run(ctx, os.Args[1:], os.Stdout, os.Stderr))
}

// run is the program; it returns the exit code.
func run(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	flags := flag.NewFlagSet("sockets", flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		fmt.Fprint(stderr, usage)
		flags.PrintDefaults()
	}
	listen := flags.Bool("listen", false, "open a listener at the address, describe it, close it again")
	timeout := flags.Duration("timeout", 5*time.Second, "longest `time` for connecting, names included")
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return 0
	case err != nil:
		return exitUsage // flags has said why
	}
	var err error
	switch flags.NArg() {
	case 0:
		if *listen {
			fmt.Fprintln(stderr, "sockets: -listen needs an address, such as: sockets -listen 127.0.0.1:8888")
			return exitUsage
		}
		err = table(stdout)
	case 1:
		ctx, cancel := context.WithTimeout(ctx, *timeout)
		defer cancel()
		err = one(ctx, stdout, flags.Arg(0), *listen)
	default:
		fmt.Fprintf(stderr, "sockets: one address at a time, please, and flags before it; what is %q?\n", flags.Arg(1))
		return exitUsage
	}
	if err != nil {
		fmt.Fprintf(stderr, "sockets: %v\n", err)
		if misnamed := (misnamedError)(""); errors.As(err, &misnamed) {
			return exitUsage
		}
		if what := advice(err); what != "" {
			fmt.Fprintf(stderr, "  %s\n", what)
		}
		return exitFailed
	}
	return 0
}

// advice is what to do about an error, by the kind that the learner's code
// finds it to be.
func advice(err error) string {
	if what := adviceOnNames(err); what != "" {
		return what
	}
	if overIP(err) {
		return adviceOnIP(err)
	}
	switch sockettypes.Classify(err) {
	case sockettypes.Refused:
		return "Nobody listens there: the program that made the socket has ended, and left its name behind."
	case sockettypes.InUse:
		return "There is something by that name. If no program uses it any more, remove it."
	case sockettypes.Denied:
		return "You may not use that name: the permissions of the file, or of its folder, say so."
	case sockettypes.TimedOut:
		return "Nobody answered."
	case sockettypes.Canceled:
		return "You interrupted it."
	default:
		return ""
	}
}

// overIP says whether an error is about an IP address, which has a port.
func overIP(err error) bool {
	about := (*net.OpError)(nil)
	return !errors.As(err, &about) || !strings.HasPrefix(about.Net, "unix")
}

// adviceOnNames is what to do about a host or a service that has no such name,
// and about an address that is not this machine's.
func adviceOnNames(err error) string {
	about := (*net.DNSError)(nil)
	switch {
	case errors.As(err, &about) && strings.Contains(about.Name, "/"): // as in tcp/nosuch
		return "No such service. Say its number, or a name from /etc/services."
	case errors.Is(err, syscall.EADDRNOTAVAIL):
		return "This machine does not have that address; ip address lists those that it has."
	default:
		return ""
	}
}

// adviceOnIP is advice about addresses with ports.
func adviceOnIP(err error) string {
	switch sockettypes.Classify(err) {
	case sockettypes.Refused:
		return "Nobody listens there. Is the program running, and is it that port? (ss -ltn lists who listens)"
	case sockettypes.TimedOut:
		return "Nobody answered. A firewall, a wrong address, or a machine that is off; -timeout waits longer."
	case sockettypes.InUse:
		return "Somebody has that port. Port 0 picks a free one; ss -ltnp lists who has which."
	case sockettypes.Denied:
		return "That needs a privilege: ports below 1024 and raw sockets are for root, unless the system says otherwise."
	case sockettypes.Unreachable:
		return "There is no way to that address from here; ip route lists the ways."
	case sockettypes.NotFound:
		return "No such name. Is it spelled right?"
	case sockettypes.Temporary:
		return "The name service has trouble. Try again in a moment."
	case sockettypes.Canceled:
		return "You interrupted it."
	default:
		return ""
	}
}
