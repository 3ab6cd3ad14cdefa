package sockettypes_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	sockettypes "workbook.example/labs/01-socket-types"
	"workbook.example/tools/labtest"
)

// expectKind checks what Classify says of an error.
func expectKind(t *labtest.T, how string, err error, want sockettypes.Failure) {
	t.Helper()
	if err == nil {
		t.Fatalf("The test tried to make an error and got none: %s.", how)
	}
	if got := sockettypes.Classify(err); got != want {
		t.Broken("%s gave the error %q. Classify called it %q; expected %q.", how, err, got, want)
	}
}

// posix ends the test on a system whose errors have other numbers.
func posix(t *labtest.T) {
	t.Helper()
	if runtime.GOOS == "windows" {
		t.NotRun("The kernel's errors have other numbers on Windows.", "wsl make test-lab 1")
	}
}

func TestRefusedResetAndPipeAreThree(tt *testing.T) {
	t := labtest.Begin(tt)
	posix(t)
	l := listenTCP(t, "127.0.0.1")
	l.Close()
	_, err := net.Dial("tcp", l.Addr().String())
	expectKind(t, "Dialling a port where nobody listens", err, sockettypes.Refused)

	near, far := connect(t)
	far.SetLinger(0)
	far.Close() // with a reset
	_, err = near.Read(make([]byte, 1))
	expectKind(t, "Reading from a connection that the other end has reset", err, sockettypes.Reset)
	_, err = near.Write([]byte("x"))
	expectKind(t, "Writing to it after that", err, sockettypes.Pipe)
}

func TestEndIsToldByWhoEnded(tt *testing.T) {
	t := labtest.Begin(tt)
	near, far := connect(t)
	far.Close()
	_, err := near.Read(make([]byte, 1))
	expectKind(t, "Reading from a connection that the other end has closed", err, sockettypes.Ended)
	near.Close()
	_, err = near.Read(make([]byte, 1))
	expectKind(t, "Reading from a connection after closing it", err, sockettypes.UseOfClosed)
	_, err = near.Write([]byte("x"))
	expectKind(t, "Writing to it", err, sockettypes.UseOfClosed)
	l := listenTCP(t, "127.0.0.1")
	l.Close()
	_, err = l.Accept()
	expectKind(t, "Accept of a listener that was closed", err, sockettypes.UseOfClosed)

	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	_, err = new(net.Dialer).DialContext(ctx, "tcp", listenTCP(t, "127.0.0.1").Addr().String())
	expectKind(t, "Dialling with a context that was cancelled", err, sockettypes.Canceled)
	expectKind(t, "A context that was cancelled", ctx.Err(), sockettypes.Canceled)

	// A name service that does not answer, and a caller who will not wait.
	dns := t.NameServer()
	dns.Fail("slow.example", labtest.Silent)
	ctx, cancel = context.WithTimeout(context.Background(), labtest.Patience)
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := dns.Resolver().LookupNetIP(ctx, "ip", "slow.example")
		done <- err
	}()
	t.Eventually("That the name service is asked", func() bool { return dns.Queries("slow.example") > 0 })
	cancel()
	expectKind(t, "Looking up a name, which was cancelled meanwhile,", <-done, sockettypes.Canceled)
}

func TestTimeoutHasManyFaces(tt *testing.T) {
	t := labtest.Begin(tt)
	near, _ := connect(t)
	near.SetReadDeadline(time.Now().Add(time.Millisecond))
	_, err := near.Read(make([]byte, 1))
	expectKind(t, "Reading until a deadline", err, sockettypes.TimedOut)

	full := t.FullListener("tcp4")
	ctx, cancel := context.WithTimeout(context.Background(), time.Nanosecond)
	defer cancel()
	<-ctx.Done()
	_, err = new(net.Dialer).DialContext(ctx, "tcp", full.Addr())
	expectKind(t, "Dialling with a context whose time is over", err, sockettypes.TimedOut)
	expectKind(t, "A context whose time is over", ctx.Err(), sockettypes.TimedOut)
	_, err = net.DialTimeout("tcp", full.Addr(), 20*time.Millisecond)
	expectKind(t, "Dialling for 20 ms an address that does not answer", err, sockettypes.TimedOut)
	expectKind(t, "A deadline of a file", fmt.Errorf("read: %w", os.ErrDeadlineExceeded), sockettypes.TimedOut)
}

func TestNamesFailInThreeWays(tt *testing.T) {
	t := labtest.Begin(tt)
	dns := t.NameServer()
	dns.Fail("nobody.example", labtest.NXDomain)
	dns.Fail("empty.example", labtest.NoData)
	dns.Fail("later.example", labtest.ServFail)
	dns.Fail("silent.example", labtest.Silent)
	for _, name := range []struct {
		host, how string
		want      sockettypes.Failure
	}{
		{"nobody.example", "Looking up a name that does not exist", sockettypes.NotFound},
		{"empty.example", "Looking up a name that has no address", sockettypes.NotFound},
		{"later.example", "Looking up a name while the name service is broken", sockettypes.Temporary},
		{"silent.example", "Looking up a name while the name service is silent", sockettypes.TimedOut},
	} {
		ctx, cancel := context.WithTimeout(context.Background(), labtest.Patience)
		if name.want == sockettypes.TimedOut {
			cancel()
			ctx, cancel = context.WithTimeout(context.Background(), 50*time.Millisecond)
		}
		_, err := dns.Resolver().LookupNetIP(ctx, "ip", name.host)
		cancel()
		expectKind(t, name.how, err, name.want)
		// As it comes from a dialer.
		expectKind(t, name.how+", while dialling,", &net.OpError{Op: "dial", Net: "tcp", Err: err}, name.want)
	}
}

func TestAddressFailsInItsOwnWays(tt *testing.T) {
	t := labtest.Begin(tt)
	posix(t)
	l := listenTCP(t, "127.0.0.1")
	_, err := net.Listen("tcp", l.Addr().String())
	expectKind(t, "Listening on a port that somebody has", err, sockettypes.InUse)

	c := listenUDP(t)
	_, err = c.WriteTo(make([]byte, 65508), c.LocalAddr())
	expectKind(t, "Sending a datagram of 65508 bytes", err, sockettypes.TooBig)

	_, err = net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "no", "such", "folder"), Net: "unix"})
	expectKind(t, "Listening in a folder that does not exist", err, sockettypes.Unknown)
}

// A curtain is an error that hides another one behind a text of its own.
type curtain struct{ behind error }

func (c curtain) Error() string { return "could not say hello" }
func (c curtain) Unwrap() error { return c.behind }

// wrappings are what happens to errors on their way up.
var wrappings = []struct {
	how  string
	wrap func(error) error
}{
	{"wrapped twice", func(err error) error { return fmt.Errorf("chat: %w", fmt.Errorf("hello: %w", err)) }},
	{"joined with another", func(err error) error { return errors.Join(errors.New("could not log in"), err) }},
	{"wrapped by package net", func(err error) error { return &net.OpError{Op: "read", Net: "tcp", Err: err} }},
	{"wrapped under another text", func(err error) error { return curtain{fmt.Errorf("hello: %w", err)} }},
	{"wrapped by net and then by us", func(err error) error { return curtain{&net.OpError{Op: "dial", Net: "tcp", Err: err}} }},
}

func TestWrappingHidesNothing(tt *testing.T) {
	t := labtest.Begin(tt)
	kinds := []struct {
		err  error
		want sockettypes.Failure
	}{
		{io.EOF, sockettypes.Ended},
		{context.Canceled, sockettypes.Canceled},
		{context.DeadlineExceeded, sockettypes.TimedOut},
		{os.ErrDeadlineExceeded, sockettypes.TimedOut},
		{net.ErrClosed, sockettypes.UseOfClosed},
		{&net.DNSError{Err: "no such host", Name: "nobody.example", IsNotFound: true}, sockettypes.NotFound},
		{&net.DNSError{Err: "server misbehaving", Name: "later.example", IsTemporary: true}, sockettypes.Temporary},
		{&net.DNSError{Err: "i/o timeout", Name: "silent.example", IsTimeout: true, IsTemporary: true}, sockettypes.TimedOut},
		{&net.OpError{Op: "write", Net: "udp", Err: os.NewSyscallError("sendto", syscall.EMSGSIZE)}, sockettypes.TooBig},
		{os.NewSyscallError("bind", syscall.EADDRINUSE), sockettypes.InUse},
		{os.NewSyscallError("connect", syscall.ECONNREFUSED), sockettypes.Refused},
		{os.NewSyscallError("read", syscall.ECONNRESET), sockettypes.Reset},
		{os.NewSyscallError("write", syscall.EPIPE), sockettypes.Pipe},
		{os.NewSyscallError("connect", syscall.ENETUNREACH), sockettypes.Unreachable},
		{os.NewSyscallError("connect", syscall.EHOSTUNREACH), sockettypes.Unreachable},
		{os.NewSyscallError("socket", syscall.EPERM), sockettypes.Denied},
		{os.NewSyscallError("bind", syscall.EACCES), sockettypes.Denied},
		{os.NewSyscallError("accept", syscall.EMFILE), sockettypes.NoFiles},
		{os.NewSyscallError("accept", syscall.ENFILE), sockettypes.NoFiles},
		{os.NewSyscallError("read", syscall.ETIMEDOUT), sockettypes.TimedOut},
	}
	for _, k := range kinds {
		for _, w := range wrappings {
			if got := sockettypes.Classify(w.wrap(k.err)); got != k.want {
				t.Broken("The error %q, %s, was called %q; expected %q.", k.err, w.how, got, k.want)
			}
		}
	}
}

func TestTextIsNoEvidence(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, text := range []string{
		"connection refused", "connection reset by peer", "broken pipe", "i/o timeout", "address already in use",
		"use of closed network connection", "no such host", "EOF", "operation not permitted", "too many open files",
	} {
		expectKind(t, "A program of somebody's", errors.New(text), sockettypes.Unknown)
	}
	err := fmt.Errorf("after the connection refused to die: %w", os.NewSyscallError("write", syscall.EPIPE))
	expectKind(t, "Writing", err, sockettypes.Pipe)
}

func TestNoErrorIsNoFailure(tt *testing.T) {
	t := labtest.Begin(tt)
	if got := sockettypes.Classify(nil); got != sockettypes.NoFailure {
		t.Broken("Classify of no error said %q; expected %q.", got, sockettypes.NoFailure)
	}
	expectKind(t, "Something that nobody has heard of", errors.New("the cat sat on the keyboard"), sockettypes.Unknown)
	_, err := io.ReadFull(strings.NewReader("half"), make([]byte, 8))
	expectKind(t, "Reading 8 bytes of which 4 came", err, sockettypes.Unknown)
	_, err = new(net.Resolver).LookupPort(context.Background(), "tcp", "70000")
	expectKind(t, "Looking up the port 70000", err, sockettypes.Unknown)
}
