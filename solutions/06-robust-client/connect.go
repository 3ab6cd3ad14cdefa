package robustclient

import (
	"context"
	"errors"
	"fmt"
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
	if c.Budget > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, c.Budget, ErrBudget)
		defer cancel()
	}
	failed := new(ConnectError)
	var last time.Duration
	for number := 1; ; number++ {
		begin := time.Now()
		conn, err := c.attempt(ctx)
		a := Attempt{Number: number, Err: err, Took: time.Since(begin)}
		if err == nil {
			c.report(a)
			return c.Use(conn)
		}
		switch {
		case ctx.Err() != nil:
			failed.Reason = reason(ctx)
		case !errors.Is(err, ErrAttemptTimeout) && !Retryable(err):
			failed.Reason = ErrFinal
		case number == c.MaxAttempts:
			failed.Reason = ErrAttempts
		default:
			last = c.Backoff.Next(number, last)
			a.Wait = last
		}
		failed.Attempts = append(failed.Attempts, a)
		c.report(a)
		if failed.Reason == nil && wait(ctx, a.Wait) != nil {
			failed.Reason = reason(ctx)
		}
		if failed.Reason != nil {
			return failed
		}
	}
}

// reason is why Connect gives up when its context has ended: the budget, or the
// error of the caller's context, whatever cause he has given that.
func reason(ctx context.Context) error {
	if context.Cause(ctx) == ErrBudget {
		return ErrBudget
	}
	return ctx.Err()
}

// attempt makes one attempt, within AttemptTimeout. What it returns has passed
// the Handshake. If that fails, or the time is over, it closes the connection.
// An attempt that took too long has failed with ErrAttemptTimeout.
func (c *Client) attempt(ctx context.Context) (net.Conn, error) {
	ctx, cancel := context.WithTimeoutCause(ctx, c.attemptTimeout(), ErrAttemptTimeout)
	defer cancel()
	conn, err := c.dial(ctx)
	if err == nil && c.Handshake != nil {
		// Closing is what wakes a Handshake that waits for the server.
		stop := context.AfterFunc(ctx, func() { conn.Close() })
		err = c.Handshake(ctx, conn)
		if !stop() && err == nil {
			err = ctx.Err() // too late: the connection is closed
		}
		if err != nil {
			conn.Close()
		}
	}
	if err != nil && context.Cause(ctx) == ErrAttemptTimeout {
		err = fmt.Errorf("%w: %w", ErrAttemptTimeout, err)
	}
	if err != nil {
		return nil, err
	}
	return conn, nil
}

// wait waits for so long. When ctx ends first, it returns the error of ctx, at
// once.
func wait(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (c *Client) report(a Attempt) {
	if c.OnAttempt != nil {
		c.OnAttempt(a)
	}
}
