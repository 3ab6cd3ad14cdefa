package tcpclient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"syscall"
	"testing"
	"time"

	tcpclient "workbook.example/labs/03-tcp-client"
	"workbook.example/tools/labtest"
)

// dial calls d.Dial, which must return.
func dial(t *labtest.T, d *tcpclient.Dialer, ctx context.Context, addr, when string) (conn net.Conn, err error) {
	t.Helper()
	t.Returns("Dial, "+when+",", func() { conn, err = d.Dial(ctx, addr) })
	if t.Failed() {
		t.FailNow()
	}
	switch {
	case err == nil && conn == nil:
		t.Broken("Dial, %s, returned neither a connection nor an error.", when)
	case err == nil:
		t.Cleanup(func() { conn.Close() })
	case conn != nil:
		t.Broken("Dial, %s, returned a connection and %s.", when, orNil(err))
	}
	return conn, err
}

// mustDial is dial of a server that listens.
func mustDial(t *labtest.T, d *tcpclient.Dialer, ctx context.Context, addr, when string) net.Conn {
	t.Helper()
	conn, err := dial(t, d, ctx, addr, when)
	if err != nil {
		t.Broken("Dial, %s, returned the error %q.", when, err)
	}
	return conn
}

// mustFail is dial of something that cannot be reached, for a reason.
func mustFail(t *labtest.T, d *tcpclient.Dialer, ctx context.Context, addr, when string, reason tcpclient.Reason, cause error) {
	t.Helper()
	_, err := dial(t, d, ctx, addr, when)
	if err == nil {
		t.Broken("Dial, %s, returned no error.", when)
	}
	if cause != nil && !errors.Is(err, cause) {
		t.Broken("Dial, %s, returned the error %q, in which errors.Is does not find %q.", when, err, cause)
	}
	if got := tcpclient.Why(err); got != reason {
		t.Broken("Dial, %s, returned the error %q. Why says %s; expected %s.", when, err, name(got), name(reason))
	}
}

// name is what a Reason is called.
func name(r tcpclient.Reason) string {
	names := map[tcpclient.Reason]string{
		tcpclient.Unknown: "Unknown", tcpclient.Canceled: "Canceled", tcpclient.BadAddress: "BadAddress",
		tcpclient.TimedOut: "TimedOut", tcpclient.NotFound: "NotFound", tcpclient.NameService: "NameService",
		tcpclient.Refused: "Refused", tcpclient.Unreachable: "Unreachable", tcpclient.Untrusted: "Untrusted",
	}
	if said, ok := names[r]; ok {
		return said
	}
	return fmt.Sprint(int(r))
}

// portOf is the port of an address.
func portOf(addr string) string {
	_, port, _ := net.SplitHostPort(addr)
	return port
}

// unused is a port of 127.0.0.1 where nobody listens: somebody has connected
// from it, so that nobody else is given it meanwhile.
func unused(t *labtest.T) string {
	t.Helper()
	conn, _ := connection(t)
	t.Cleanup(func() { conn.Close() })
	return portOf(conn.LocalAddr().String())
}

// listenOn listens on one of the two loopback addresses; port "0" is any.
func listenOn(t *labtest.T, host, port string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, port))
	if err != nil && host == "::1" && port == "0" {
		t.NotRun("This machine has no IPv6, not even on loopback.", "sysctl net.ipv6.conf.lo.disable_ipv6=0")
	}
	if err != nil {
		return nil // the port is somebody else's
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// greet accepts a connection and checks that it is conn's other end.
func greet(t *labtest.T, l net.Listener, conn net.Conn) {
	t.Helper()
	l.(*net.TCPListener).SetDeadline(time.Now().Add(labtest.Patience))
	theirs, err := l.Accept()
	if err != nil {
		t.Broken("Dial returned a connection, and nobody connected to %s, where the server listens.", l.Addr())
	}
	defer theirs.Close()
	if theirs.RemoteAddr().String() != conn.LocalAddr().String() {
		t.Broken("Dial returned a connection from %s; the one that came to the server is from %s.", conn.LocalAddr(), theirs.RemoteAddr())
	}
}

func TestDialReachesTheServer(tt *testing.T) {
	t := begin(tt)
	names := t.NameServer()
	names.Answer("chat.test", "127.0.0.1")
	d := &tcpclient.Dialer{Resolver: names.Resolver()}
	srv := t.Server("server")
	for _, addr := range []string{srv.Addr(), "chat.test:" + portOf(srv.Addr())} {
		conn := mustDial(t, d, context.Background(), addr, "of a server that listens on "+addr)
		server := srv.Accept("server")
		conn.Write([]byte("{\"type\":\"ping\",\"id\":1}\n"))
		server.Expect(msg{"type": "ping", "id": 1})
	}
	if names.Queries("chat.test") == 0 {
		t.Broken("Dial connected to a name, and did not ask its Resolver for it.")
	}
}

func TestEveryAddressIsTried(tt *testing.T) {
	t := begin(tt)
	names := t.NameServer()
	names.Answer("chat.test", "::1", "127.0.0.1")
	d := &tcpclient.Dialer{Resolver: names.Resolver()}
	// Whichever of the two is tried first: once it is the wrong one.
	for _, host := range []string{"::1", "127.0.0.1"} {
		l := listenOn(t, host, "0")
		when := fmt.Sprintf("of a name with the addresses ::1 and 127.0.0.1, where only %s listens", host)
		conn := mustDial(t, d, within(t), "chat.test:"+portOf(l.Addr().String()), when)
		greet(t, l, conn)
	}
}

// blackHole is a name with two addresses: at one of them a connect gets no
// answer, at the other, which is host, somebody listens.
func blackHole(t *labtest.T, host string) net.Listener {
	t.Helper()
	silent := map[string]string{"::1": "tcp4", "127.0.0.1": "tcp6"}[host]
	listenOn(t, "::1", "0") // is there IPv6 at all?
	for range 20 {
		if l := listenOn(t, host, portOf(t.FullListener(silent).Addr())); l != nil {
			return l
		}
	}
	t.Fatalf("no port is free on both ::1 and 127.0.0.1")
	return nil
}

func TestSilentAddressLeavesTimeForTheNext(tt *testing.T) {
	t := begin(tt)
	names := t.NameServer()
	names.Answer("chat.test", "::1", "127.0.0.1")
	d := &tcpclient.Dialer{Resolver: names.Resolver()}
	for _, host := range []string{"::1", "127.0.0.1"} {
		l := blackHole(t, host)
		ctx, cancel := context.WithTimeout(context.Background(), 800*time.Millisecond)
		when := fmt.Sprintf("for 800 ms, of a name with the addresses ::1 and 127.0.0.1, where only %s answers", host)
		conn := mustDial(t, d, ctx, "chat.test:"+portOf(l.Addr().String()), when)
		cancel()
		greet(t, l, conn)
	}
}

func TestSilentNameServiceCannotHoldDial(tt *testing.T) {
	t := begin(tt)
	names := t.NameServer()
	names.Fail("chat.test", labtest.Silent)
	d := &tcpclient.Dialer{Resolver: names.Resolver()}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	mustFail(t, d, ctx, "chat.test:8888", "for 100 ms, of a name that name service does not answer for",
		tcpclient.TimedOut, nil)
}

func TestSilentServerCannotHoldDial(tt *testing.T) {
	t := begin(tt)
	silent := t.FullListener("tcp4")
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	mustFail(t, new(tcpclient.Dialer), ctx, silent.Addr(), "for 100 ms, of a server that does not answer",
		tcpclient.TimedOut, nil)
}

func TestCancelEndsDial(tt *testing.T) {
	t := begin(tt)
	names := t.NameServer()
	names.Fail("chat.test", labtest.Silent)
	d := &tcpclient.Dialer{Resolver: names.Resolver()}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		for names.Queries("chat.test") == 0 && t.Context().Err() == nil {
			time.Sleep(time.Millisecond)
		}
		cancel()
	}()
	mustFail(t, d, ctx, "chat.test:8888", "cancelled while name service does not answer", tcpclient.Canceled, context.Canceled)

	silent := t.FullListener("tcp4")
	ctx, cancel = context.WithCancel(context.Background())
	defer time.AfterFunc(20*time.Millisecond, cancel).Stop()
	mustFail(t, new(tcpclient.Dialer), ctx, silent.Addr(), "cancelled while the server does not answer", tcpclient.Canceled, context.Canceled)
}

func TestFailureSaysWhy(tt *testing.T) {
	t := begin(tt)
	names := t.NameServer()
	names.Fail("nowhere.test", labtest.NXDomain)
	names.Fail("empty.test", labtest.NoData)
	names.Fail("broken.test", labtest.ServFail)
	d := &tcpclient.Dialer{Resolver: names.Resolver()}
	mustFail(t, d, within(t), "127.0.0.1:"+unused(t), "of a port where nobody listens", tcpclient.Refused, syscall.ECONNREFUSED)
	mustFail(t, d, within(t), "nowhere.test:8888", "of a name that does not exist", tcpclient.NotFound, nil)
	mustFail(t, d, within(t), "empty.test:8888", "of a name without an address", tcpclient.NotFound, nil)
	mustFail(t, d, within(t), "broken.test:8888", "when name service says that it cannot tell (SERVFAIL)", tcpclient.NameService, nil)

	// What this machine cannot be made to do, and whatever an error is wrapped in.
	for err, reason := range map[error]tcpclient.Reason{
		syscall.EHOSTUNREACH:       tcpclient.Unreachable,
		syscall.ENETUNREACH:        tcpclient.Unreachable,
		syscall.ETIMEDOUT:          tcpclient.TimedOut,
		syscall.ECONNREFUSED:       tcpclient.Refused,
		context.Canceled:           tcpclient.Canceled,
		context.DeadlineExceeded:   tcpclient.TimedOut,
		os.ErrDeadlineExceeded:     tcpclient.TimedOut,
		errors.New("no such luck"): tcpclient.Unknown,
	} {
		wrapped := fmt.Errorf("while connecting: %w", errors.Join(&net.OpError{Op: "dial", Net: "tcp", Err: err}))
		if got := tcpclient.Why(wrapped); got != reason {
			t.Broken("Why, of an error that wraps %q, says %s; expected %s.", err, name(got), name(reason))
		}
	}

	// Two addresses, two reasons: it does not matter which of them failed first.
	dialled := func(err error) error { return &net.OpError{Op: "dial", Net: "tcp", Err: err} }
	for _, pair := range []struct {
		first, second error
		reason        tcpclient.Reason
	}{
		{dialled(os.ErrDeadlineExceeded), dialled(syscall.ECONNREFUSED), tcpclient.TimedOut},
		{dialled(syscall.ETIMEDOUT), dialled(syscall.EHOSTUNREACH), tcpclient.TimedOut},
		{dialled(syscall.ECONNREFUSED), dialled(syscall.ENETUNREACH), tcpclient.Refused},
		{dialled(syscall.ECONNREFUSED), dialled(context.Canceled), tcpclient.Canceled},
		{dialled(syscall.EHOSTUNREACH), errors.New("no such luck"), tcpclient.Unreachable},
	} {
		for _, err := range []error{errors.Join(pair.first, pair.second), errors.Join(pair.second, pair.first)} {
			if got := tcpclient.Why(fmt.Errorf("while connecting: %w", err)); got != pair.reason {
				t.Broken("Why, of an error that wraps %q, says %s; expected %s.", err, name(got), name(pair.reason))
			}
		}
	}
}

func TestEveryAddressSaysWhyNot(tt *testing.T) {
	t := begin(tt)
	names := t.NameServer()
	names.Answer("chat.test", "::1", "127.0.0.1")
	d := &tcpclient.Dialer{Resolver: names.Resolver()}
	for _, host := range []string{"::1", "127.0.0.1"} {
		l := blackHole(t, host)
		l.Close() // now nobody listens there
		addr := "chat.test:" + portOf(l.Addr().String())
		// A busy machine may use up so little time before the second address is tried.
		for limit := 300 * time.Millisecond; ; limit *= 2 {
			when := fmt.Sprintf("for %v, of a name with the addresses ::1 and 127.0.0.1, where %s refuses and the other one does not answer", limit, host)
			ctx, cancel := context.WithTimeout(context.Background(), limit)
			_, err := dial(t, d, ctx, addr, when)
			cancel()
			if err != nil && !errors.Is(err, syscall.ECONNREFUSED) && limit < labtest.Patience/2 {
				continue
			}
			if err == nil || !errors.Is(err, syscall.ECONNREFUSED) {
				t.Broken("Dial, %s, returned %s, in which errors.Is does not find %q.", when, orNil(err), syscall.ECONNREFUSED)
			}
			if got := tcpclient.Why(err); got != tcpclient.TimedOut {
				t.Broken("Dial, %s, returned the error %q. Why says %s; expected TimedOut.", when, err, name(got))
			}
			break
		}
	}
}

func TestBadAddressAsksNobody(tt *testing.T) {
	t := begin(tt)
	names := t.NameServer()
	names.Answer("chat.test", "127.0.0.1")
	d := &tcpclient.Dialer{Resolver: names.Resolver()}
	for _, addr := range []string{"chat.test:70000", "chat.test:-1", "chat.test:0", "chat.test:no-such-service", "chat.test:", "chat.test", ":8888", "[::1:8888"} {
		mustFail(t, d, within(t), addr, fmt.Sprintf("of %q", addr), tcpclient.BadAddress, nil)
		if n := names.Queries("chat.test"); n > 0 {
			t.Broken("Dial, of %q, asked name service before it looked at the rest of the address.", addr)
		}
	}
}

func TestDialContextIsForDialing(tt *testing.T) {
	t := begin(tt)
	var srv *labtest.Server
	var conn net.Conn
	inTime(t, func(ctx context.Context) (err error) {
		srv = t.Server("server")
		conn, err = dial(t, new(tcpclient.Dialer), ctx, srv.Addr(), "of a server that listens")
		return err
	})
	server := srv.Accept("server")
	conversation(t, conn, server, "Dial had connected, and then its context's time was over")

	ctx, cancel := context.WithCancel(context.Background())
	conn = mustDial(t, new(tcpclient.Dialer), ctx, srv.Addr(), "of a server that listens")
	server = srv.Accept("server")
	cancel()
	conversation(t, conn, server, "Dial had connected, and then its context was cancelled")
}

// conversation checks that conn and server still hear each other.
func conversation(t *labtest.T, conn net.Conn, server *labtest.Peer, after string) {
	t.Helper()
	// What comes of the end of a context may come a moment after it.
	for range 3 {
		time.Sleep(2 * time.Millisecond)
		t.Returns("Write", func() {
			if _, err := conn.Write([]byte("{\"type\":\"ping\",\"id\":1}\n")); err != nil {
				t.Errorf("%s: a write on the connection failed with %q.", after, err)
			}
		})
		if t.Failed() {
			t.FailNow()
		}
		server.Expect(msg{"type": "ping"})
		server.Send(`{"type":"pong","id":1}`)
		t.Returns("Read", func() {
			if _, err := readLine(conn); err != nil {
				t.Errorf("%s: a read on the connection failed with %q.", after, err)
			}
		})
		if t.Failed() {
			t.FailNow()
		}
	}
}

func TestFailedDialLeavesNothingBehind(tt *testing.T) {
	t := begin(tt)
	refused := "127.0.0.1:" + unused(t)
	silent := t.FullListener("tcp4")
	t.NoLeaks()
	d := new(tcpclient.Dialer)
	for range 50 {
		mustFail(t, d, within(t), refused, "of a port where nobody listens", tcpclient.Refused, nil)
	}
	for range 5 {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Millisecond)
		defer cancel()
		mustFail(t, d, ctx, silent.Addr(), "for 10 ms, of a server that does not answer", tcpclient.TimedOut, nil)
	}
	nobodyConnects(t)
}

// nobodyConnects checks that no attempt to connect goes on. It must be called
// while the server is still silent: an attempt ends when the server does.
func nobodyConnects(t *labtest.T) {
	t.Helper()
	t.Eventually("The end of every attempt to connect, after the return of Dial,", func() bool {
		stacks := make([]byte, 1<<20)
		return !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("net.(*netFD).connect("))
	})
}
