// Command fanload measures how fast the chat server of lab 2 gets a message
// from one client to a hundred, beside nats-server and ngircd under the same
// load in the same run.
//
//	fanload             the solution's server
//	fanload -learner    the server in the lab's folder
//
// It builds our server and starts every server itself, on loopback ports that
// are free. A peer that is not installed is reported as not measured.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/signal"
	"strconv"
	"time"

	"workbook.example/tools/course"
	"workbook.example/tools/fanload"
	"workbook.example/tools/run"
	"workbook.example/tools/sources"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measure(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "fanload:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("fanload", flag.ContinueOnError)
	learner := flags.Bool("learner", false, "measure the code in the lab's folder, not the solution")
	receivers := flags.Int("receivers", 100, "clients that listen")
	duration := flags.Duration("time", 2*time.Second, "measured time of a run")
	messages := flags.Int("messages", 0, "send this many messages instead of for a time")
	rounds := flags.Int("rounds", 5, "interleaved rounds")
	acknowledged := flags.Bool("ack", false, "ask our server to acknowledge every message")
	alone := flags.Bool("alone", false, "leave the peers out")
	relay := flags.String("relay", "", "be the relay at this `address` (the comparison starts it itself)")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if *relay != "" {
		return serveRelay(*relay)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "fanload-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	chatd, err := buildServer(ctx, *learner, dir)
	if err != nil {
		return err
	}

	name := "chatd (solution)"
	if *learner {
		name = "chatd (yours)"
	}
	ours := fanload.Server{
		Name:     name,
		Protocol: fanload.Chat{Acknowledged: *acknowledged},
		Command: func(_ string, host string, port int) ([]string, error) {
			return []string{chatd, "-addr", net.JoinHostPort(host, strconv.Itoa(port))}, nil
		},
	}
	ceiling := fanload.Server{
		Name:     "relay",
		Protocol: fanload.Lines{},
		Command: func(_ string, host string, port int) ([]string, error) {
			return []string{self, "-relay", net.JoinHostPort(host, strconv.Itoa(port))}, nil
		},
	}
	var peers []fanload.Server
	var missing []error
	for _, peer := range []func(context.Context) (fanload.Server, error){fanload.NATSServer, fanload.NgIRCd} {
		if *alone {
			break
		}
		server, err := peer(ctx)
		if err != nil {
			missing = append(missing, err)
			continue
		}
		peers = append(peers, server)
	}
	load := fanload.Load{Receivers: *receivers, Duration: *duration, Messages: *messages}
	comparison, err := fanload.Compare(ctx, ours, ceiling, peers, load, *rounds, func(what string) {
		fmt.Fprintln(os.Stderr, what)
	})
	if err != nil {
		return err
	}
	comparison.Missing = missing
	return comparison.Write(os.Stdout)
}

// buildServer builds the program of lab 2.
func buildServer(ctx context.Context, learner bool, dir string) (string, error) {
	workbook, err := course.Open(".")
	if err != nil {
		return "", err
	}
	lab, err := workbook.Lab("tcp-server")
	if err != nil {
		return "", err
	}
	of := sources.Solution
	if learner {
		of = sources.Learner
	}
	set, err := of(lab)
	if err != nil {
		return "", err
	}
	return run.Program(ctx, lab, set, dir)
}

func serveRelay(addr string) error {
	l, err := net.Listen("tcp", addr)
	if err != nil {
		return err
	}
	return fanload.Relay(l)
}
