// Command chat is a client for the chat server of lab 2, to be used by hand:
//
//	make run-lab 2                        in one terminal
//	make run-lab 3 ARGS="-name alice"     in another one
//
// What you type is said to everybody; /help lists what else there is.
package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"flag"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/signal"
	"os/user"
	"strings"
	"syscall"
	"time"

	tcpclient "workbook.example/labs/03-tcp-client"
)

// Exit codes.
const (
	exitOK    = 0 // the user has left
	exitLost  = 1 // there is no connection (any more), or the server said no
	exitUsage = 2
)

const (
	defaultPort    = "8888"
	answerTimeout  = 10 * time.Second // for an answer of the server
	goodbyeTimeout = 2 * time.Second  // for the end of the connection
)

const usage = `usage: chat [flags]

Talk to a chat server: what you type is said to everybody who is there.
The password is taken from the environment, CHAT_PASSWORD; where all of the
machine's users can read it, on the command line, it would not be one.

`

func main() {
	os.Exit(run())
}

func run() int {
	flags := flag.NewFlagSet("chat", flag.ContinueOnError)
	flags.Usage = func() {
		fmt.Fprint(flags.Output(), usage)
		flags.PrintDefaults()
	}
	addr := flags.String("addr", "127.0.0.1:"+defaultPort, "`address` of the server; without a port, "+defaultPort)
	name := flags.String("name", userName(), "`name` to log in under")
	patience := flags.Duration("timeout", 10*time.Second, "most time for connecting and logging in; 0 is no limit")
	fallback := flags.Duration("fallback", 0, "race the server's addresses, with this delay between them (stage 2); 0 tries them in turn")
	secure := flags.Bool("tls", false, "talk TLS (stage 8)")
	authorities := flags.String("ca", "", "with -tls, trust the authorities in this PEM `file` instead of the system's")
	verbose := flags.Bool("v", false, "show what the client logs")
	switch err := flags.Parse(os.Args[1:]); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK
	case err != nil:
		return exitUsage
	case flags.NArg() > 0:
		return fail(exitUsage, "what is %q? chat -h lists what it takes", flags.Arg(0))
	case *name == "":
		return fail(exitUsage, "who are you? chat -name NAME")
	}
	*addr = withPort(*addr)

	screen := newScreen(os.Stdout)
	level := slog.LevelError
	if *verbose {
		level = slog.LevelDebug
	}
	lost := make(chan error, 1)
	options := tcpclient.Options{
		Dialer:       tcpclient.Dialer{FallbackDelay: *fallback},
		WriteTimeout: answerTimeout,
		OnDisconnect: func(cause error) { lost <- cause },
		Logger:       slog.New(slog.NewTextHandler(screen, &slog.HandlerOptions{Level: level})),
	}
	if *secure {
		config, err := tlsConfig(*authorities)
		if err != nil {
			return fail(exitUsage, "%v", err)
		}
		options.TLS = config
	}
	c := newChat(tcpclient.New(options), screen, *name)

	interrupted, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx, cancel := interrupted, context.CancelFunc(func() {})
	if *patience > 0 {
		ctx, cancel = context.WithTimeout(interrupted, *patience)
	}
	err := c.Connect(ctx, *addr)
	if err == nil {
		err = c.logIn(ctx)
	}
	cancel()
	switch {
	case err != nil && interrupted.Err() != nil:
		stop()
		c.leave()
		return exitLost
	case err != nil && c.Err() != nil:
		return fail(exitLost, "%s before it answered the login; is it a chat server?", explainLoss(c.Err(), *addr))
	case err != nil:
		c.leave()
		return fail(exitLost, "%s", explain(err, *addr, *name, *patience))
	}

	typed := make(chan error, 1)
	go func() { typed <- c.readLines(os.Stdin) }()
	code := exitOK
	select {
	case err := <-typed:
		if err != nil {
			code = fail(exitLost, "cannot read what you type: %v", err)
		}
	case <-interrupted.Done():
		stop() // so that the next signal ends the process
	case cause := <-lost:
		lost <- cause
	}
	farewell := c.leave()
	screen.end()
	if farewell != nil {
		fmt.Fprintln(os.Stderr, "chat: the server did not say goodbye:", farewell)
	}
	select {
	case cause := <-lost:
		if !errors.Is(cause, tcpclient.ErrClosed) {
			return fail(exitLost, "%s", explainLoss(cause, *addr))
		}
	case <-time.After(goodbyeTimeout):
	}
	return code
}

// withPort adds the default port to an address that has none, and this machine
// to one that is a port only.
func withPort(addr string) string {
	if strings.HasPrefix(addr, ":") && strings.Count(addr, ":") == 1 {
		return "127.0.0.1" + addr
	}
	host := strings.TrimSuffix(strings.TrimPrefix(addr, "["), "]")
	if !strings.Contains(addr, ":") || net.ParseIP(host) != nil {
		return net.JoinHostPort(host, defaultPort)
	}
	return addr
}

// fail says in one sentence what is wrong.
func fail(code int, format string, args ...any) int {
	fmt.Fprintln(os.Stderr, "chat:", harmlessLines(fmt.Sprintf(format, args...)))
	return code
}

// userName is what the system calls whoever runs this.
func userName() string {
	if u, err := user.Current(); err == nil {
		return u.Username
	}
	return ""
}

func tlsConfig(authorities string) (*tls.Config, error) {
	config := &tls.Config{MinVersion: tls.VersionTLS12}
	if authorities == "" {
		return config, nil
	}
	pem, err := os.ReadFile(authorities)
	if err != nil {
		return nil, err
	}
	config.RootCAs = x509.NewCertPool()
	if !config.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("%s holds no certificate in PEM form", authorities)
	}
	return config, nil
}

// explain says why there is no connection, or no login, and what to do.
func explain(err error, addr, name string, patience time.Duration) string {
	if said, ok := errors.AsType[*tcpclient.ServerError](err); ok {
		switch said.Code {
		case "name_taken":
			return fmt.Sprintf("somebody else is there as %s; try another name: chat -name NAME", name)
		case "bad_name":
			return fmt.Sprintf("%q cannot be a name (%s); try another one: chat -name NAME", name, said.Message)
		case "denied":
			return "the server does not take this name with this password (CHAT_PASSWORD)"
		}
		return said.Error()
	}
	if _, ok := errors.AsType[tls.RecordHeaderError](err); ok {
		return fmt.Sprintf("%s does not talk TLS; try it without -tls", addr)
	}
	switch tcpclient.Why(err) {
	case tcpclient.BadAddress:
		why := "it"
		if bad, ok := errors.AsType[*net.AddrError](err); ok {
			why = bad.Err + ": it"
		}
		return fmt.Sprintf("%q is no address, %s should look like 127.0.0.1:%s", addr, why, defaultPort)
	case tcpclient.TimedOut:
		return fmt.Sprintf("%s did not answer within %v; is it the right address, and can it be reached from here?", addr, patience)
	case tcpclient.NotFound:
		return fmt.Sprintf("there is no machine of that name: %s", addr)
	case tcpclient.NameService:
		return fmt.Sprintf("the name service cannot tell the address of %s just now; try again, or give an IP address", addr)
	case tcpclient.Refused:
		return fmt.Sprintf("nobody listens on %s; is the server running? To start lab 2's: make run-lab 2", addr)
	case tcpclient.Unreachable:
		return fmt.Sprintf("there is no way from here to %s; is the network up?", addr)
	case tcpclient.Untrusted:
		return fmt.Sprintf("%s cannot prove that it is who it should be, so nothing was sent to it: %v", addr, err)
	}
	return err.Error()
}

// explainLoss says why a connection has ended that was there.
func explainLoss(cause error, addr string) string {
	if said, ok := errors.AsType[*tcpclient.ServerError](cause); ok {
		return fmt.Sprintf("%s has ended the connection: %s", addr, said.Message)
	}
	switch {
	case errors.Is(cause, os.ErrDeadlineExceeded):
		return fmt.Sprintf("%s takes nothing any more; the connection is closed", addr)
	case errors.Is(cause, syscall.ECONNRESET), errors.Is(cause, syscall.EPIPE):
		return fmt.Sprintf("the connection to %s was reset; the server may have crashed", addr)
	}
	if errors.Is(cause, io.EOF) {
		return fmt.Sprintf("%s has ended the connection without saying why", addr)
	}
	return fmt.Sprintf("the connection to %s is broken: %v", addr, cause)
}
