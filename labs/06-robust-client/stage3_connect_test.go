package robustclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"syscall"
	"testing"
	"time"

	robustclient "workbook.example/labs/06-robust-client"
	"workbook.example/tools/labtest"
)

// steady is a Backoff of 1 s, 2 s, 4 s, 8 s, 10 s, 10 s, …
var steady = robustclient.Backoff{Base: time.Second, Cap: 10 * time.Second, Jitter: robustclient.NoJitter}

func alwaysRefused(int, context.Context) (net.Conn, error) { return nil, refused }

// hang is a connect that nobody answers.
func hang(_ int, ctx context.Context) (net.Conn, error) {
	<-ctx.Done()
	return nil, &net.OpError{Op: "dial", Net: "tcp", Err: ctx.Err()}
}

func TestConnectWaitsLongerEachTime(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	decorrelated := robustclient.Backoff{Base: time.Second, Cap: 20 * time.Second, Jitter: robustclient.DecorrelatedJitter, Random: highest}
	for _, c := range []struct {
		name    string
		backoff robustclient.Backoff
		waits   []time.Duration
	}{
		{"NoJitter", steady, []time.Duration{1 * time.Second, 2 * time.Second, 4 * time.Second, 8 * time.Second, 10 * time.Second, 10 * time.Second}},
		{"DecorrelatedJitter, which may be three times the last wait,", decorrelated, []time.Duration{3 * time.Second, 9 * time.Second, 20 * time.Second, 20 * time.Second}},
	} {
		onFakeTime(t, func(n *labtest.StreamNet) error {
			s := newScript(func(call int, _ context.Context) (net.Conn, error) {
				if call <= len(c.waits) {
					return nil, refused
				}
				conn, _ := n.Pair()
				return conn, nil
			})
			client := &robustclient.Client{Dial: s.dial, Backoff: c.backoff}
			if err := client.Connect(background); err != nil {
				return fmt.Errorf("The server refused %d attempts and would have taken the next one. Connect returned %q after %d.", len(c.waits), err, len(s.times()))
			}
			at := s.times()
			for i, want := range c.waits {
				if got := at[i+1] - at[i]; (got - want).Abs() > time.Millisecond {
					return fmt.Errorf("The server refused. With %s Base %v and Cap %v, Connect waited %v after attempt %d; expected %v.", c.name, c.backoff.Base, c.backoff.Cap, got, i+1, want)
				}
			}
			if len(at) != len(c.waits)+1 {
				return fmt.Errorf("Attempt %d succeeded, and Connect made %d.", len(c.waits)+1, len(at))
			}
			if !client.Connected() {
				return errors.New("Connect succeeded, and the client is not connected.")
			}
			return nil
		})
	}
}

func TestWaitEndsWithTheContext(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	onFakeTime(t, func(*labtest.StreamNet) error {
		client := &robustclient.Client{Dial: newScript(alwaysRefused).dial, Backoff: robustclient.Backoff{Base: time.Hour, Cap: time.Hour, Jitter: robustclient.NoJitter}}
		ctx, cancel := context.WithCancel(background)
		defer cancel()
		time.AfterFunc(10*time.Second, cancel)
		var err error
		if d := took("Connect, cancelled after 10s while it waited for the next attempt,", func() { err = client.Connect(ctx) }); d != 10*time.Second {
			return fmt.Errorf("Connect was to wait for an hour and was cancelled after 10s. It returned after %v.", d)
		}
		if !errors.Is(err, context.Canceled) {
			return fmt.Errorf("Connect was cancelled while it waited and returned %v; expected context.Canceled (to errors.Is).", orNil(err))
		}
		return nil
	})
	// A caller may say why he cancels (context.WithCancelCause).
	for what, steps := range map[string]func(int, context.Context) (net.Conn, error){"while it waited": alwaysRefused, "during an attempt": hang} {
		onFakeTime(t, func(*labtest.StreamNet) error {
			client := &robustclient.Client{Dial: newScript(steps).dial, AttemptTimeout: time.Hour, Backoff: robustclient.Backoff{Base: time.Hour, Cap: time.Hour, Jitter: robustclient.NoJitter}}
			ctx, cancel := context.WithCancelCause(background)
			defer cancel(nil)
			time.AfterFunc(10*time.Second, func() { cancel(errors.New("the user went home")) })
			err := client.Connect(ctx)
			var failed *robustclient.ConnectError
			if !errors.As(err, &failed) || !errors.Is(failed.Reason, context.Canceled) {
				return fmt.Errorf("Connect was cancelled %s, with a cause of the caller's, and returned %v; expected a *ConnectError whose Reason is ctx.Err(): context.Canceled.", what, orNil(err))
			}
			return nil
		})
	}
	onFakeTime(t, func(*labtest.StreamNet) error {
		s := newScript(alwaysRefused)
		ctx, cancel := context.WithTimeout(background, time.Minute)
		defer cancel()
		var err error
		d := took("Connect, to a server that refuses, with a context whose deadline is 1m0s away,", func() {
			err = (&robustclient.Client{Dial: s.dial, Backoff: steady}).Connect(ctx)
		})
		if d > time.Minute {
			return fmt.Errorf("The deadline of Connect's context was 1m0s away. It returned after %v.", d)
		}
		if !isEndOf(err) || len(s.times()) < 5 {
			return fmt.Errorf("The deadline of Connect's context was 1m0s away. It returned %v after %d attempts; expected context.DeadlineExceeded (to errors.Is) after at least 5.", orNil(err), len(s.times()))
		}
		return nil
	})
}

func TestBudgetBoundsAttemptsAndWaits(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	const budget = 20 * time.Second
	for _, c := range []struct {
		what    string
		steps   func(int, context.Context) (net.Conn, error)
		timeout time.Duration // of an attempt
		least   int           // attempts
	}{
		{"The server refuses every attempt", alwaysRefused, time.Second, 5},
		{"No attempt is answered, and each may take 1s", hang, time.Second, 3},
		{"No attempt is answered, and each may take an hour", hang, time.Hour, 1},
	} {
		onFakeTime(t, func(*labtest.StreamNet) error {
			s := newScript(c.steps)
			client := &robustclient.Client{Dial: s.dial, Backoff: steady, Budget: budget, AttemptTimeout: c.timeout}
			var err error
			if d := took(fmt.Sprintf("%s. With a Budget of %v, Connect", c.what, budget), func() { err = client.Connect(background) }); d > budget {
				return fmt.Errorf("%s. With a Budget of %v, Connect returned after %v.", c.what, budget, d)
			}
			if len(s.times()) < c.least {
				return fmt.Errorf("%s. With a Budget of %v, Connect made %d attempts; expected at least %d.", c.what, budget, len(s.times()), c.least)
			}
			if !errors.Is(err, robustclient.ErrBudget) {
				return fmt.Errorf("%s. When the Budget of %v was over, Connect returned %v; expected ErrBudget (to errors.Is).", c.what, budget, orNil(err))
			}
			return nil
		})
	}
}

func TestEachAttemptHasItsTime(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		if _, err := n.Listen("server:1"); err != nil {
			return err
		}
		n.Stall() // so that connects are not answered
		time.AfterFunc(time.Minute, n.Resume)
		s := newScript(func(_ int, ctx context.Context) (net.Conn, error) { return n.DialContext(ctx, "tcp", "server:1") })
		client := &robustclient.Client{Dial: s.dial, Backoff: steady, AttemptTimeout: 3 * time.Second}
		if err := client.Connect(background); err != nil {
			return fmt.Errorf("For a minute no connect was answered. Connect returned %q after %d attempts; expected that it goes on: one attempt that takes too long is not the end.", err, len(s.times()))
		}
		at := s.times()
		if len(at) < 3 {
			return fmt.Errorf("For a minute no connect was answered. With an AttemptTimeout of 3s, Connect made %d attempts in that time; expected at least 3.", len(at))
		}
		if got := at[1] - at[0]; got < 3*time.Second || got > 4*time.Second+time.Millisecond {
			return fmt.Errorf("An attempt that may take 3s was not answered, and the first wait is 1s. The second attempt began %v after the first; expected 4s.", got)
		}
		return nil
	})
	// What an attempt says when its time is over depends on who waited. The bare
	// error of a context looks final, and here it is not.
	bare := func(_ int, ctx context.Context) (net.Conn, error) { <-ctx.Done(); return nil, ctx.Err() }
	for _, c := range []struct {
		what      string
		steps     func(*labtest.StreamNet) func(int, context.Context) (net.Conn, error)
		handshake func(context.Context, net.Conn) error
	}{
		{"Dial was not answered and returned a net.OpError", func(*labtest.StreamNet) func(int, context.Context) (net.Conn, error) { return hang }, nil},
		{"Dial was not answered and returned ctx.Err()", func(*labtest.StreamNet) func(int, context.Context) (net.Conn, error) { return bare }, nil},
		{"The Handshake was not answered and returned ctx.Err()", func(n *labtest.StreamNet) func(int, context.Context) (net.Conn, error) {
			return func(int, context.Context) (net.Conn, error) { conn, _ := n.Pair(); return conn, nil }
		}, func(ctx context.Context, _ net.Conn) error { <-ctx.Done(); return ctx.Err() }},
	} {
		onFakeTime(t, func(n *labtest.StreamNet) error {
			s := newScript(c.steps(n))
			client := &robustclient.Client{Dial: s.dial, Handshake: c.handshake, Backoff: steady, AttemptTimeout: 3 * time.Second, MaxAttempts: 3}
			err := client.Connect(background)
			if len(s.times()) != 3 || errors.Is(err, robustclient.ErrFinal) {
				return fmt.Errorf("%s, when the AttemptTimeout was over. Of 3 attempts that it may make, Connect made %d and returned %v; expected all 3: an attempt that took too long is worth another try.", c.what, len(s.times()), orNil(err))
			}
			if !errors.Is(err, robustclient.ErrAttemptTimeout) {
				return fmt.Errorf("%s, when the AttemptTimeout was over. Connect returned %v; expected that errors.Is finds ErrAttemptTimeout in it.", c.what, orNil(err))
			}
			return nil
		})
	}
}

func TestFinalErrorEndsTheAttempts(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	for _, c := range []struct {
		what string
		err  error
	}{
		{"The name does not exist", &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "gone.test", IsNotFound: true}}},
		{"The port is 70000", &net.OpError{Op: "dial", Net: "tcp", Err: &net.AddrError{Err: "invalid port", Addr: "70000"}}},
		{"The system does not permit it", &net.OpError{Op: "dial", Net: "tcp", Err: syscall.EACCES}},
	} {
		onFakeTime(t, func(*labtest.StreamNet) error {
			s := newScript(func(n int, _ context.Context) (net.Conn, error) {
				if n == 1 {
					return nil, refused
				}
				return nil, c.err
			})
			ctx, cancel := context.WithTimeout(background, time.Hour)
			defer cancel()
			err := (&robustclient.Client{Dial: s.dial, Backoff: steady}).Connect(ctx)
			if got := len(s.times()); got != 2 {
				return fmt.Errorf("%s, says the second attempt. Connect made %d; expected that it gives up then.", c.what, got)
			}
			if !errors.Is(err, c.err) || !errors.Is(err, robustclient.ErrFinal) {
				return fmt.Errorf("%s, says the second attempt, and Connect returned %v; expected that error and ErrFinal (to errors.Is).", c.what, orNil(err))
			}
			return nil
		})
	}
}

func TestMaxAttemptsAreMade(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	onFakeTime(t, func(*labtest.StreamNet) error {
		for _, most := range []int{1, 4} {
			s := newScript(alwaysRefused)
			var err error
			d := took("Connect, with MaxAttempts,", func() {
				err = (&robustclient.Client{Dial: s.dial, Backoff: steady, MaxAttempts: most}).Connect(background)
			})
			if got := len(s.times()); got != most {
				return fmt.Errorf("The server refuses. With MaxAttempts %d, Connect made %d.", most, got)
			}
			if !errors.Is(err, robustclient.ErrAttempts) {
				return fmt.Errorf("The server refuses. With MaxAttempts %d, Connect returned %v; expected ErrAttempts (to errors.Is).", most, orNil(err))
			}
			if last := s.times()[most-1]; d != last {
				return fmt.Errorf("The last of %d attempts failed, and Connect returned %v later; expected at once: there is nothing to wait for.", most, d-last)
			}
		}
		return nil
	})
}

func TestErrorTellsEveryAttempt(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	onFakeTime(t, func(*labtest.StreamNet) error {
		causes := []error{refused, io.EOF, syscall.EHOSTUNREACH, syscall.ECONNRESET}
		s := newScript(func(n int, _ context.Context) (net.Conn, error) { return nil, causes[n-1] })
		err := (&robustclient.Client{Dial: s.dial, Backoff: steady, MaxAttempts: len(causes)}).Connect(background)
		for i, cause := range causes {
			if !errors.Is(err, cause) {
				return fmt.Errorf("Attempt %d of %d failed with %q, and errors.Is does not find that in what Connect returned (%v).", i+1, len(causes), cause, orNil(err))
			}
		}
		var all *robustclient.ConnectError
		if !errors.As(err, &all) {
			return fmt.Errorf("Connect gave up and returned %v; expected a *ConnectError.", orNil(err))
		}
		if len(all.Attempts) != len(causes) {
			return fmt.Errorf("%d attempts were made, and the ConnectError has %d.", len(causes), len(all.Attempts))
		}
		return nil
	})
}

func TestEveryAttemptIsReported(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		s := newScript(func(call int, _ context.Context) (net.Conn, error) {
			time.Sleep(500 * time.Millisecond)
			if call < 4 {
				return nil, refused
			}
			conn, _ := n.Pair()
			return conn, nil
		})
		begin := time.Now()
		var told []robustclient.Attempt
		var at []time.Duration
		client := &robustclient.Client{Dial: s.dial, Backoff: steady, OnAttempt: func(a robustclient.Attempt) {
			told = append(told, a)
			at = append(at, time.Since(begin))
		}}
		if err := client.Connect(background); err != nil {
			return err
		}
		if len(told) != 4 {
			return fmt.Errorf("Three attempts failed and one succeeded, and OnAttempt was told of %d.", len(told))
		}
		for i, a := range told {
			want := robustclient.Attempt{Number: i + 1, Took: 500 * time.Millisecond}
			if i < 3 {
				want.Err, want.Wait = refused, time.Second<<i
			}
			if a.Number != want.Number || a.Took != want.Took || a.Wait != want.Wait || !errors.Is(a.Err, want.Err) {
				return fmt.Errorf("OnAttempt was told {Number %d, Err %v, Took %v, Wait %v}; expected {Number %d, Err %v, Took %v, Wait %v}.", a.Number, orNil(a.Err), a.Took, a.Wait, want.Number, orNil(want.Err), want.Took, want.Wait)
			}
			if end := s.times()[i] + a.Took; at[i] != end {
				return fmt.Errorf("Attempt %d was over after %v, and OnAttempt was told after %v; expected before the wait.", i+1, end, at[i])
			}
		}
		return nil
	})
}

func TestFailedAttemptLeavesNoConnection(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		denied := errors.New("the server says: denied")
		answers := []error{io.EOF, syscall.ECONNRESET, denied} // the last one is final
		var servers []net.Conn
		s := newScript(func(int, context.Context) (net.Conn, error) {
			conn, server := n.Pair()
			servers = append(servers, server)
			return conn, nil
		})
		client := &robustclient.Client{Dial: s.dial, Backoff: steady, Handshake: func(context.Context, net.Conn) error {
			return answers[len(servers)-1]
		}}
		err := client.Connect(background)
		if !errors.Is(err, denied) || len(servers) != len(answers) {
			return fmt.Errorf("The Handshake failed twice in a way that passes and then for good. Connect made %d attempts and returned %v.", len(servers), orNil(err))
		}
		if client.Connected() {
			return errors.New("Connect failed, and the client says that it is connected.")
		}
		for i, server := range servers {
			if state := stateOf(server); state == "open" {
				return fmt.Errorf("The Handshake of attempt %d failed (%v), and the server sees that connection still open.", i+1, answers[i])
			}
		}
		return nil
	})
}

func TestHandshakeHasTheTimeOfItsAttempt(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	waitForIt := func(_ context.Context, conn net.Conn) error {
		_, err := conn.Read(make([]byte, 1))
		return err
	}
	onFakeTime(t, func(n *labtest.StreamNet) error {
		var servers []net.Conn
		s := newScript(func(call int, _ context.Context) (net.Conn, error) {
			conn, server := n.Pair()
			servers = append(servers, server)
			if call == 3 {
				server.Write([]byte("welcome"))
			}
			return conn, nil
		})
		client := &robustclient.Client{Dial: s.dial, Backoff: steady, AttemptTimeout: 5 * time.Second, Handshake: waitForIt}
		ctx, cancel := context.WithTimeout(background, time.Hour)
		defer cancel()
		var err error
		took("A server took the connection and said nothing. With an AttemptTimeout of 5s, Connect", func() { err = client.Connect(ctx) })
		if err != nil {
			return fmt.Errorf("Two servers took the connection and then said nothing, for longer than the AttemptTimeout of 5s; the third one answered. Connect made %d attempts and returned %q after %v.", len(servers), orNil(err), time.Since(s.begin))
		}
		if at, want := s.times(), 5*time.Second+time.Second; (at[1] - at[0] - want).Abs() > time.Millisecond {
			return fmt.Errorf("A server took the connection and said nothing. The AttemptTimeout is 5s and the first wait 1s, and the second attempt began %v after the first; expected %v.", at[1]-at[0], want)
		}
		for i, server := range servers[:2] {
			if state := stateOf(server); state == "open" {
				return fmt.Errorf("The server of attempt %d said nothing in time, and that connection is still open.", i+1)
			}
		}
		return nil
	})
	onFakeTime(t, func(n *labtest.StreamNet) error {
		conn, _ := n.Pair()
		client := &robustclient.Client{Dial: newScript(func(int, context.Context) (net.Conn, error) { return conn, nil }).dial, AttemptTimeout: time.Hour, Handshake: waitForIt}
		ctx, cancel := context.WithCancel(background)
		defer cancel()
		time.AfterFunc(time.Minute, cancel)
		var err error
		if d := took("Connect, cancelled after 1m0s while the Handshake waited for the server,", func() { err = client.Connect(ctx) }); d != time.Minute || !errors.Is(err, context.Canceled) {
			return fmt.Errorf("Connect was cancelled after 1m0s, while the Handshake waited for the server. It returned %v after %v; expected context.Canceled (to errors.Is), at once.", orNil(err), d)
		}
		return nil
	})
}

func TestConnectLeavesNoDeadline(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	for _, handshake := range []func(context.Context, net.Conn) error{nil, func(context.Context, net.Conn) error { return nil }} {
		onFakeTime(t, func(n *labtest.StreamNet) error {
			conn, server := n.Pair()
			client := &robustclient.Client{Dial: newScript(func(int, context.Context) (net.Conn, error) { return conn, nil }).dial, Budget: time.Minute, Handshake: handshake}
			ctx, cancel := context.WithTimeout(background, time.Minute)
			defer cancel()
			if err := client.Connect(ctx); err != nil {
				return err
			}
			cancel()
			time.AfterFunc(time.Hour, func() { server.Write([]byte("still here")) })
			begin := time.Now()
			if _, err := conn.Read(make([]byte, 1)); err != nil {
				return fmt.Errorf("Connect succeeded. %v later, with no deadline asked for, a read from the connection failed: %v.", time.Since(begin), orNil(err))
			}
			if _, err := conn.Write([]byte("x")); err != nil {
				return fmt.Errorf("Connect succeeded. %v later, with no deadline asked for, a write to the connection failed: %v.", time.Since(begin), orNil(err))
			}
			return nil
		})
	}
}

func TestConnectWhileConnected(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		var servers []net.Conn
		s := newScript(func(int, context.Context) (net.Conn, error) {
			conn, server := n.Pair()
			servers = append(servers, server)
			return conn, nil
		})
		client := &robustclient.Client{Dial: s.dial}
		if err := client.Connect(background); err != nil {
			return err
		}
		if err := client.Connect(background); !errors.Is(err, robustclient.ErrConnected) {
			return fmt.Errorf("Connect, called while there is a connection, returned %v; expected ErrConnected.", orNil(err))
		}
		if len(servers) != 1 {
			return errors.New("Connect, called while there is a connection, connected once more.")
		}
		if state := stateOf(servers[0]); state != "open" || !client.Connected() {
			return fmt.Errorf("Connect was called while there is a connection. The server sees that connection %s; expected open, as before.", state)
		}
		return nil
	})
}

func TestRealServerThatComesBack(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	t.NoLeaks()
	// The port is free for a moment, and somebody else may take it: then again.
	for range 5 {
		if connectsToWhoComesBack(t) {
			return
		}
	}
	t.NotRun("Somebody else takes every port that is free for a moment.", "")
}

func connectsToWhoComesBack(t *labtest.T) bool {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	addr := l.Addr().String()
	l.Close()
	var taken error
	client := &robustclient.Client{
		Addr:    addr,
		Backoff: robustclient.Backoff{Base: time.Millisecond, Cap: 5 * time.Millisecond},
		OnAttempt: func(a robustclient.Attempt) {
			if a.Number == 3 {
				l, taken = net.Listen("tcp", addr)
			}
		},
	}
	ctx, cancel := context.WithTimeout(background, labtest.Patience)
	defer cancel()
	t.Returns("Connect, to a server that is started after three attempts,", func() { err = client.Connect(ctx) })
	if taken != nil {
		client.Drop()
		return false
	}
	defer l.Close()
	if err != nil {
		t.Broken("The server was started after the third attempt, and Connect returned %q.", err)
	}
	client.Drop()
	return true
}

func TestRealNameServiceThatRecovers(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	server := t.Server("server")
	_, port, err := net.SplitHostPort(server.Addr())
	if err != nil {
		t.Fatalf("%v", err)
	}
	names := t.NameServer()
	names.Fail("chat.test", labtest.ServFail)
	attempts := 0
	client := &robustclient.Client{
		Addr:    net.JoinHostPort("chat.test", port),
		Dial:    (&net.Dialer{Resolver: names.Resolver()}).DialContext,
		Backoff: robustclient.Backoff{Base: time.Millisecond, Cap: time.Millisecond},
		OnAttempt: func(a robustclient.Attempt) {
			if attempts = a.Number; a.Number == 2 {
				names.Answer("chat.test", "127.0.0.1")
			}
		},
	}
	t.Returns("Connect, with a name server that recovers after two attempts,", func() { err = client.Connect(background) })
	defer client.Drop()
	if err != nil {
		t.Broken("The name server could not say just now (SERVFAIL), twice, and then it could. Connect returned %q.", err)
	}
	client.Drop()
	names.Fail("chat.test", labtest.NXDomain)
	t.Returns("Connect, to a name that does not exist,", func() { err = client.Connect(background) })
	if !errors.Is(err, robustclient.ErrFinal) || attempts != 1 {
		t.Broken("The name does not exist (NXDOMAIN). Connect made %d attempts and returned %v; expected ErrFinal after 1.", attempts, orNil(err))
	}
}
