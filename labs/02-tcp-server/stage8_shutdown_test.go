package tcpserver_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	tcpserver "workbook.example/labs/02-tcp-server"
	"workbook.example/tools/labtest"
)

// shutdown shuts srv down, which must succeed.
func shutdown(t *labtest.T, srv *testServer) {
	t.Helper()
	t.Returns("Shutdown", func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown returned the error %q.", err)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
}

func TestShutdownReturnsWithNobodyThere(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3)
	t.NoLeaks()
	srv := start(t)
	shutdown(t, srv)
	t.Returns("Serve, after Shutdown,", func() {
		if err := <-srv.served; !errors.Is(err, tcpserver.ErrServerClosed) {
			t.Errorf("After Shutdown, Serve returned %v; expected ErrServerClosed.", err)
		}
	})
}

func TestShutdownEndsEveryConnection(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5, 7)
	t.NoLeaks()
	srv := start(t)
	alice, bob, stranger := member(t, srv, "alice"), member(t, srv, "bob"), t.Dial("stranger", srv.Addr())
	nothingElse(stranger)
	stopped := make(chan struct{})
	go func() { defer close(stopped); srv.Shutdown(context.Background()) }()
	for _, p := range []*labtest.Peer{alice, bob, stranger} {
		p.Await(msg{"type": "error", "code": tcpserver.CodeShutdown})
		p.AwaitClosed() // who is still there may hear that others leave
		p.Close()
	}
	t.Returns("Shutdown, with three clients,", func() { <-stopped })
}

func TestShutdownDeliversWhatWaits(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5, 7)
	srv := startNarrow(t)
	bob := member(t, srv, "bob") // who does not look for a while
	carol, alice := member(t, srv, "carol"), member(t, srv, "alice")
	const waiting = 90 // 720 KiB: more than the kernel takes
	for i := range waiting {
		alice.SendJSON(msg{"type": "chat", "content": fmt.Sprint(i, " ", strings.Repeat("x", 8<<10))})
	}
	for range waiting {
		carol.Await(msg{"type": "chat_message"})
	}
	stopped := make(chan struct{})
	go func() { defer close(stopped); srv.Shutdown(context.Background()) }()
	carol.Await(msg{"type": "error", "code": tcpserver.CodeShutdown})
	for range waiting {
		bob.Await(msg{"type": "chat_message"})
	}
	bob.Await(msg{"type": "error", "code": tcpserver.CodeShutdown})
	for _, p := range []*labtest.Peer{alice, bob, carol} {
		p.Close()
	}
	t.Returns("Shutdown", func() { <-stopped })
}

func TestPortIsFreeAfterShutdown(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3)
	srv := start(t)
	alice := t.Dial("alice", srv.Addr())
	nothingElse(alice)
	go func() { // a client that takes part in the end, as clients do
		alice.Conn().SetReadDeadline(time.Now().Add(labtest.Patience))
		for buf := make([]byte, 512); ; {
			if _, err := alice.Conn().Read(buf); err != nil {
				alice.Conn().Close()
				return
			}
		}
	}()
	shutdown(t, srv)
	if conn, err := net.Dial("tcp", srv.Addr()); err == nil {
		conn.Close()
		t.Broken("After Shutdown a new client could still connect to %s.", srv.Addr())
	}
	l, err := net.Listen("tcp", srv.Addr())
	if err != nil {
		t.Broken("After Shutdown the port cannot be listened on again: %v", err)
	}
	l.Close()
}

func TestShutdownTwiceWaitsForTheSameEnd(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3)
	inside, goOn := make(chan struct{}), make(chan struct{})
	srv := start(t, func(s *tcpserver.Server) {
		s.Authenticate = func(string, string) error { close(inside); <-goOn; return nil }
	})
	alice := t.Dial("alice", srv.Addr())
	alice.Send(loginAs("alice"))
	t.Returns("Authenticate, after a login,", func() { <-inside })
	var calls sync.WaitGroup
	returned := make(chan error, 3)
	for range 3 {
		calls.Go(func() { returned <- srv.Shutdown(context.Background()) })
	}
	select {
	case err := <-returned:
		t.Broken("A handler was still at work, and one of three calls of Shutdown returned (%v).", err)
	case <-time.After(50 * time.Millisecond):
	}
	close(goOn)
	alice.Close()
	t.Returns("Shutdown, called three times at once,", calls.Wait)
	t.Returns("Shutdown, called once more,", func() {
		if err := srv.Shutdown(context.Background()); err != nil {
			t.Errorf("Shutdown of a server that is shut down returned the error %q.", err)
		}
	})
}

func TestShutdownDeadlineCutsTheWait(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	srv := startNarrow(t, func(s *tcpserver.Server) { s.CloseTimeout = time.Hour })
	deaf := member(t, srv, "deaf")
	deaf.StopReading()
	alice := member(t, srv, "alice")
	for range 40 {
		alice.SendJSON(msg{"type": "chat", "content": strings.Repeat("x", 16<<10), "id": 1})
		alice.Await(msg{"type": "chat_response"})
	}
	ctx, cancel := context.WithTimeout(context.Background(), 100*time.Millisecond)
	defer cancel()
	t.Returns("Shutdown, with a deadline of 100 ms and a client that reads nothing,", func() {
		if err := srv.Shutdown(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("A client had not taken all that waits for it when Shutdown's deadline passed, and Shutdown returned %v; expected %q.", err, context.DeadlineExceeded)
		}
	})
	t.Eventually("That the connection that did not end by itself is closed", func() bool {
		deaf.Conn().SetWriteDeadline(time.Now().Add(10 * time.Millisecond))
		_, err := deaf.Conn().Write([]byte("{\"type\":\"ping\"}\n"))
		return err != nil && !isTimeout(err)
	})
}

func TestNobodyIsLostInTheDoor(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3)
	const rounds, visitors = 20, 10
	for range rounds {
		srv := start(t)
		hung := make(chan error, visitors)
		var inside sync.WaitGroup
		for range visitors { // they are connected; some have been accepted, others wait for it
			conn, err := net.Dial("tcp", srv.Addr())
			if err != nil {
				t.Fatalf("dial: %v", err)
			}
			inside.Go(func() {
				if err := knock(conn); isTimeout(err) {
					hung <- err
				}
			})
		}
		shutdown(t, srv)
		inside.Wait()
		if len(hung) > 0 {
			t.Broken("A client that connected while the server was shutting down was neither served nor closed: %v.", <-hung)
		}
	}
}

// knock asks something, reads until the server answers or ends the connection,
// and closes it.
func knock(conn net.Conn) error {
	defer conn.Close()
	deadlined(conn)
	if _, err := conn.Write([]byte("{\"type\":\"dance\"}\n")); err != nil {
		return err
	}
	_, err := conn.Read(make([]byte, 512))
	return err
}

func TestServeAfterShutdownIsRefused(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3)
	srv := start(t)
	shutdown(t, srv)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	defer l.Close()
	t.Returns("Serve, called after Shutdown,", func() {
		if err := srv.Serve(l); !errors.Is(err, tcpserver.ErrServerClosed) {
			t.Errorf("Serve, called after Shutdown, returned %v; expected ErrServerClosed.", err)
		}
	})
	t.Returns("Accept on the listener that Serve was given", func() {
		if conn, err := l.Accept(); err == nil {
			conn.Close()
			t.Errorf("Serve, called after Shutdown, left its listener open.")
		}
	})
}
