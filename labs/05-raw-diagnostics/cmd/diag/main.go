// Command diag is the program of lab 5, to be tried by hand in a network of your
// own:
//
//	make net-lab
//	diag ping 10.0.4.2
//	diag trace 10.0.4.2
//	diag sniff to-r1
//	diag flows FILE
//
// Ctrl-C, or SIGTERM, ends any of them; what they have found by then is told.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const usage = `diag finds out what is wrong with a network.

  diag ping [flags] HOST                 is it there, and how far is it?
  diag trace [flags] HOST                which way do packets go?
  diag sniff [flags] INTERFACE [FILTER]  what is sent and received?
  diag flows FILE                        what became of each connection in a capture?

diag ping -h and so on list the flags. A FILTER is made of tcp, udp, icmp or icmp6,
host ADDRESS and port NUMBER, all of which must hold.

  make net-lab           a shell in a network where all of it works without root
`

// errUsage says that the command line was not understood.
var errUsage = errors.New("usage")

// errFound says that all went well, and the answer is no: the process ends with 1.
var errFound = errors.New("no")

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	context.AfterFunc(ctx, stop) // so that the next signal ends the process
	switch err := run(ctx, os.Args[1:]); {
	case err == nil, errors.Is(err, flag.ErrHelp):
	case errors.Is(err, errFound):
		os.Exit(1)
	case errors.Is(err, errUsage):
		fmt.Fprintln(os.Stderr, "diag:", strings.TrimPrefix(err.Error(), errUsage.Error()+": "))
		os.Exit(2)
	default:
		fmt.Fprintln(os.Stderr, "diag:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) == 0 {
		fmt.Fprint(os.Stderr, usage)
		return fmt.Errorf("%w: say ping, trace, sniff or flows", errUsage)
	}
	switch verb, args := args[0], args[1:]; verb {
	case "ping":
		return ping(ctx, args)
	case "trace":
		return trace(ctx, args)
	case "sniff":
		return sniff(ctx, args)
	case "flows":
		return flows(args)
	case "help", "-h", "-help", "--help":
		fmt.Print(usage)
		return nil
	default:
		return fmt.Errorf("%w: what is %q? Say ping, trace, sniff or flows; diag -h explains them", errUsage, verb)
	}
}

// newFlags makes a set of flags for a verb.
func newFlags(verb string) *flag.FlagSet {
	f := flag.NewFlagSet(verb, flag.ContinueOnError)
	f.SetOutput(io.Discard) // an error is told once, by main
	f.Usage = func() {}
	return f
}

// parse reads the flags of a verb, of which at least one argument must follow, and
// at most so many. What the verb does is said before them.
func parse(f *flag.FlagSet, about, example string, most int, args []string) error {
	err := f.Parse(args)
	switch {
	case errors.Is(err, flag.ErrHelp):
		fmt.Printf("%s\n\n  %s\n\n", about, example)
		f.SetOutput(os.Stdout)
		f.PrintDefaults()
		return err
	case err != nil:
		return fmt.Errorf("%w: %v; diag %s -h lists what it takes", errUsage, err, f.Name())
	case f.NArg() == 0:
		return fmt.Errorf("%w: of what? For example: %s", errUsage, example)
	case f.NArg() > most:
		return fmt.Errorf("%w: what is %q? Flags stand before the rest, for example: %s", errUsage, f.Arg(most), example)
	}
	return nil
}

// resolve is the address of a host. Of several, it is the first one of the version
// that is wanted, 4 or 6, and IPv4 before IPv6 if it does not matter.
func resolve(ctx context.Context, host string, version int) (netip.Addr, error) {
	network := map[int]string{0: "ip", 4: "ip4", 6: "ip6"}[version]
	all, err := net.DefaultResolver.LookupNetIP(ctx, network, host)
	if err != nil {
		return netip.Addr{}, fmt.Errorf("who is %s? %w", host, err)
	}
	for _, a := range all {
		if a = a.Unmap(); a.Is4() {
			return a, nil
		}
	}
	return all[0], nil
}

// versions are the flags for the version of IP.
func versions(f *flag.FlagSet) func() int {
	four, six := f.Bool("4", false, "IPv4 only"), f.Bool("6", false, "IPv6 only")
	return func() int {
		switch {
		case *four:
			return 4
		case *six:
			return 6
		}
		return 0
	}
}
