package robustclient

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net"
	"time"
)

// Connect connects, and tries again for as long as that may help. Between two
// attempts it waits as long as Backoff says.
//
// It gives up with a *ConnectError: when an error is not Retryable (ErrFinal),
// after MaxAttempts (ErrAttempts), when the time of Budget is over (ErrBudget),
// and when ctx ends (ctx.Err()), the last two at once, whatever it waits for. A
// failed attempt leaves no connection open, and a failed Connect leaves the
// client unconnected. A successful one leaves no deadline on the connection.
//
// If there is a connection already, it is ErrConnected, and nothing happens. If
// ctx has ended already, the first attempt fails, and that is a *ConnectError too.
func (c *Client) Connect(ctx context.Context) error {
	if c.Connected() {
		return ErrConnected
	}
	whole, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	if c.Budget > 0 {
		defer time.AfterFunc(c.Budget, func() { cancel(ErrBudget) }).Stop()
	}
	failed := &ConnectError{}
	for conn, last := range c.tries(whole, failed) {
		if conn != nil {
			err := c.Use(conn)
			last.Err = err
			c.report(last)
			return err
		}
		failed.Attempts = append(failed.Attempts, last)
		c.report(last)
		if last.Wait > 0 && wait(whole, last.Wait) != nil {
			break
		}
	}
	switch {
	case ctx.Err() != nil && context.Cause(whole) != ErrBudget:
		failed.Reason = ctx.Err()
	case whole.Err() != nil:
		failed.Reason = ErrBudget
	}
	return failed
}

// tries makes one attempt after the other, until one succeeds or no other
// may follow; then it has noted the reason.
func (c *Client) tries(ctx context.Context, failed *ConnectError) iter.Seq2[net.Conn, Attempt] {
	return func(yield func(net.Conn, Attempt) bool) {
		var delay time.Duration
		for number := 1; ; number++ {
			began := time.Now()
			conn, err := c.attempt(ctx)
			a := Attempt{Number: number, Err: err, Took: time.Since(began)}
			switch {
			case err == nil:
			case ctx.Err() != nil:
				failed.Reason = ctx.Err()
			case !errors.Is(err, ErrAttemptTimeout) && !Retryable(err):
				failed.Reason = ErrFinal
			case number == c.MaxAttempts:
				failed.Reason = ErrAttempts
			default:
				delay = c.Backoff.Next(number, delay)
				a.Wait = delay
			}
			if !yield(conn, a) || failed.Reason != nil {
				return
			}
		}
	}
}

// attempt makes one attempt, within AttemptTimeout. What it returns has passed
// the Handshake. If that fails, or the time is over, it closes the connection.
// An attempt that took too long has failed with ErrAttemptTimeout.
func (c *Client) attempt(ctx context.Context) (net.Conn, error) {
	limited, cancel := context.WithTimeoutCause(ctx, c.attemptTimeout(), ErrAttemptTimeout)
	defer cancel()
	type result struct {
		conn net.Conn
		err  error
	}
	dialed, greeted := make(chan net.Conn), make(chan result, 1)
	go func() {
		conn, err := c.dial(limited)
		if err == nil {
			select {
			case dialed <- conn:
			case <-limited.Done():
				conn.Close()
				err = limited.Err()
			}
		}
		if err == nil && c.Handshake != nil {
			err = c.Handshake(limited, conn)
		}
		greeted <- result{conn, err}
	}()
	var conn net.Conn
	for {
		select {
		case conn = <-dialed:
		case r := <-greeted:
			if limited.Err() != nil && r.err != nil {
				r.err = fmt.Errorf("%w: %w", context.Cause(limited), r.err)
			}
			if r.err != nil {
				if conn != nil {
					conn.Close()
				}
				return nil, r.err
			}
			conn.SetDeadline(time.Time{})
			return conn, nil
		case <-limited.Done():
			// Whoever waits for the server is woken by the close; whoever does not,
			// and does not look at the context, is not waited for.
			if conn != nil {
				conn.Close()
			}
			return nil, context.Cause(limited)
		}
	}
}

// wait waits for so long. When ctx ends first, it returns the error of ctx, at
// once.
func wait(ctx context.Context, d time.Duration) error {
	alarm := time.NewTimer(d)
	defer alarm.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-alarm.C:
		return nil
	}
}

func (c *Client) report(a Attempt) {
	if c.OnAttempt != nil {
		c.OnAttempt(a)
	}
}
