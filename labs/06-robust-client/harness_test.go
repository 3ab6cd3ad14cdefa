package robustclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strconv"
	"sync"
	"syscall"
	"time"

	robustclient "workbook.example/labs/06-robust-client"
	"workbook.example/tools/labtest"
)

// This file is the only one that sets your code up. Most laws are about seconds
// and minutes, and cost none: they run on fake time (testing/synctest), with
// connections in memory, where time goes on only when everybody waits. Each
// stage has one test on real sockets.

var background = context.Background()

// onFakeTime runs f on fake time, with a network in memory. f must not call t,
// so it returns what is wrong, as a sentence.
func onFakeTime(t *labtest.T, f func(n *labtest.StreamNet) error, faults ...labtest.Fault) {
	t.Helper()
	network := t.StreamNet("network", faults...)
	var wrong error
	t.FakeTime(func() {
		defer func() {
			switch p := recover().(type) {
			case nil:
			case stuck:
				wrong = fmt.Errorf("%s had not returned after a day.", string(p))
			default:
				panic(p)
			}
		}()
		wrong = f(network)
	})
	if wrong != nil {
		t.Broken("%v", wrong)
	}
}

// connected is your Client with a connection in memory, and the two ends of
// that: what the client uses, and what the server has.
func connected(n *labtest.StreamNet) (c *robustclient.Client, ours, server *labtest.StreamConn) {
	ours, server = n.Pair()
	return using(ours), ours, server
}

// using is your Client with this connection.
func using(conn net.Conn) *robustclient.Client {
	c := new(robustclient.Client)
	c.Use(conn)
	return c
}

// refused is what a connect returns where nobody listens.
var refused = &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.ECONNREFUSED)}

// A script is a Dial that does what is written, and remembers when it was
// called.
type script struct {
	mu    sync.Mutex
	begin time.Time
	calls []time.Duration // from the script's beginning
	steps func(n int, ctx context.Context) (net.Conn, error)
}

// newScript is a Dial whose n-th call, from 1, does steps(n).
func newScript(steps func(n int, ctx context.Context) (net.Conn, error)) *script {
	return &script{begin: time.Now(), steps: steps}
}

func (s *script) dial(ctx context.Context, _, _ string) (net.Conn, error) {
	s.mu.Lock()
	s.calls = append(s.calls, time.Since(s.begin))
	n := len(s.calls)
	s.mu.Unlock()
	if n > 1000 { // so that a loop without an end has one
		return nil, &net.AddrError{Err: "a thousand attempts are enough", Addr: "the test"}
	}
	return s.steps(n, ctx)
}

func (s *script) times() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]time.Duration(nil), s.calls...)
}

// took is the fake time that f takes. If it is more than a day, the law is
// broken: what had not returned.
func took(what string, f func()) time.Duration {
	begin := time.Now()
	done := make(chan struct{})
	go func() { defer close(done); f() }()
	select {
	case <-done:
		return time.Since(begin)
	case <-time.After(24 * time.Hour):
		panic(stuck(what))
	}
}

// stuck is what does not return.
type stuck string

// stateOf is what the far end of a connection sees: "open", "ended" in good
// order, or "reset".
func stateOf(far net.Conn) string {
	far.SetReadDeadline(time.Now().Add(time.Millisecond))
	defer far.SetReadDeadline(time.Time{})
	_, err := io.Copy(io.Discard, far)
	switch {
	case err == nil:
		return "ended"
	case isTimeout(err):
		return "open"
	default:
		return "reset"
	}
}

// soon tells whether something comes from c within a while. It is for what
// should not come. Many short naps instead of a long one: at each of them all
// others get a chance to run, however busy the machine is.
func soon[T any](c <-chan T) (got T, came bool) {
	for range 20 {
		select {
		case got = <-c:
			return got, true
		case <-time.After(time.Millisecond):
		}
	}
	return got, false
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// isEndOf tells whether err says that the deadline of a context has passed: its
// own error, or that of the deadline that was derived from it.
func isEndOf(err error) bool { return errors.Is(err, context.DeadlineExceeded) || isTimeout(err) }

// text is n bytes of which no two stretches are alike.
func text(n int) []byte {
	b := make([]byte, 0, n+20)
	for i := int64(0); len(b) < n; i++ {
		b = append(strconv.AppendInt(b, i, 36), ' ')
	}
	return b[:n]
}

// A slowDeadline is a connection on which it takes a second to move a deadline
// into the past, so that whoever does it as a context ends comes late.
type slowDeadline struct {
	net.Conn
	moving func() // is told when it begins
}

func (c slowDeadline) late(at time.Time) {
	if !at.IsZero() && at.Before(time.Now()) {
		c.moving()
		time.Sleep(time.Second)
	}
}

func (c slowDeadline) SetDeadline(at time.Time) error { c.late(at); return c.Conn.SetDeadline(at) }
func (c slowDeadline) SetReadDeadline(at time.Time) error {
	c.late(at)
	return c.Conn.SetReadDeadline(at)
}
func (c slowDeadline) SetWriteDeadline(at time.Time) error {
	c.late(at)
	return c.Conn.SetWriteDeadline(at)
}

// The probes say, in the smallest way there is, whether a stage works so far
// that a later one can be judged.
func init() {
	labtest.Probe(1, func() error {
		b := robustclient.Backoff{Base: time.Second, Jitter: robustclient.NoJitter}
		if got := b.Next(1, 0); got != time.Second {
			return fmt.Errorf("with Base 1s and no jitter, Next(1, 0) = %v", got)
		}
		return nil
	})
	labtest.Probe(2, func() error {
		if !robustclient.Retryable(refused) {
			return fmt.Errorf("Retryable(%v) = false", refused)
		}
		if robustclient.Retryable(context.Canceled) {
			return fmt.Errorf("Retryable(%v) = true", context.Canceled)
		}
		return nil
	})
	labtest.Probe(3, func() error {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		c := &robustclient.Client{Dial: func(context.Context, string, string) (net.Conn, error) { return near, nil }}
		if err := c.Connect(background); err != nil {
			return fmt.Errorf("Connect, where Dial succeeds: %w", err)
		}
		if !c.Connected() {
			return errors.New("after Connect the client is not connected")
		}
		return nil
	})
	labtest.Probe(4, func() error {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		got := make(chan string, 1)
		go func() {
			b := make([]byte, 2)
			io.ReadFull(far, b)
			got <- string(b)
		}()
		if n, err := using(near).SendAll(background, []byte("a\n")); n != 2 || err != nil {
			return fmt.Errorf("SendAll of 2 bytes = %d, %w", n, orNil(err))
		}
		if b := <-got; b != "a\n" {
			return fmt.Errorf("SendAll of %q sent %q", "a\n", b)
		}
		return nil
	})
	labtest.Probe(5, func() error {
		near, far := net.Pipe()
		defer near.Close()
		defer far.Close()
		go far.Write([]byte("a\n"))
		if line, err := using(near).Receive(background, 0, 0); string(line) != "a" || err != nil {
			return fmt.Errorf("the server sent %q and Receive = %q, %w", "a\n", line, orNil(err))
		}
		return nil
	})
}

func orNil(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}
