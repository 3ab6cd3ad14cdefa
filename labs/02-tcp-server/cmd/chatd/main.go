// Command chatd is the chat server of lab 2, to be talked to by hand:
//
//	make run-lab 2
//	nc 127.0.0.1 8888
//
// Ctrl-C, or SIGTERM, shuts it down gracefully; a second one at once.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"syscall"
	"time"

	tcpserver "workbook.example/labs/02-tcp-server"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "chatd:", err)
		os.Exit(1)
	}
}

func run() error {
	addr := flag.String("addr", "127.0.0.1:8888", "`address` to listen on; port 0 picks a free one")
	maxConns := flag.Int("max-conns", 10_000, "most connections at once; 0 is no limit")
	outbox := flag.Int("outbox", tcpserver.DefaultOutboxLimit, "most `bytes` that may wait for one client")
	login := flag.Duration("login-timeout", time.Minute, "time that a connection has to log in; 0 is no limit")
	idle := flag.Duration("idle-timeout", 10*time.Minute, "longest silence of a client; 0 is no limit")
	write := flag.Duration("write-timeout", 10*time.Second, "longest time for one write to a client; 0 is no limit")
	grace := flag.Duration("grace", 5*time.Second, "time that clients have at shutdown")
	quiet := flag.Bool("quiet", false, "log warnings and errors only")
	flag.CommandLine.Usage = func() {
		fmt.Fprintln(flag.CommandLine.Output(), "Usage of chatd:")
		flag.PrintDefaults()
	}
	flag.Parse()
	if flag.NArg() > 0 {
		return fmt.Errorf("what is %q? chatd -h lists what it takes", flag.Arg(0))
	}
	level := slog.LevelInfo
	if *quiet {
		level = slog.LevelWarn
	}
	server := &tcpserver.Server{
		MaxConns:     *maxConns,
		OutboxLimit:  *outbox,
		LoginTimeout: *login,
		IdleTimeout:  *idle,
		WriteTimeout: *write,
		Logger:       slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: level})),
	}

	listener, err := net.Listen("tcp", *addr)
	if errors.Is(err, syscall.EADDRINUSE) {
		return fmt.Errorf("%s is in use already, maybe by a chatd that still runs\n"+
			"  who has it:   ss -ltnp 'sport = :%s'\n"+
			"  another port: make run-lab 2 ARGS=\"-addr 127.0.0.1:0\"", *addr, port(*addr))
	}
	if err != nil {
		return err
	}
	fmt.Printf("chatd listens on %s; talk to it with: nc %s\n", listener.Addr(), spaced(listener.Addr()))

	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	select {
	case err := <-served:
		return err
	case <-interrupted.Done():
	}
	stop() // so that the next signal ends the process
	fmt.Println("chatd shuts down")
	ctx, cancel := context.WithTimeout(context.Background(), *grace)
	defer cancel()
	if err := server.Shutdown(ctx); err != nil {
		return fmt.Errorf("shut down: %w", err)
	}
	if err := <-served; !errors.Is(err, tcpserver.ErrServerClosed) {
		return err
	}
	return nil
}

func port(addr string) string {
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		return addr
	}
	return port
}

// spaced returns addr as nc takes it: host and port apart.
func spaced(addr net.Addr) string {
	host, port, err := net.SplitHostPort(addr.String())
	if err != nil {
		return addr.String()
	}
	return host + " " + port
}
