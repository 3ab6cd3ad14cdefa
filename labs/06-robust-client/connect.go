package robustclient

import (
	"context"
	"errors"
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
	return errors.New("Connect: not implemented yet (labs/06-robust-client/README.md#3-connect-with-retry)")
}

// attempt makes one attempt, within AttemptTimeout. What it returns has passed
// the Handshake. If that fails, or the time is over, it closes the connection.
// An attempt that took too long has failed with ErrAttemptTimeout.
func (c *Client) attempt(ctx context.Context) (net.Conn, error) {
	return nil, errors.New("attempt: not implemented yet (labs/06-robust-client/README.md#3-connect-with-retry)")
}

// wait waits for so long. When ctx ends first, it returns the error of ctx, at
// once.
func wait(ctx context.Context, d time.Duration) error {
	return errors.New("wait: not implemented yet (labs/06-robust-client/README.md#3-connect-with-retry)")
}

func (c *Client) report(a Attempt) {
	if c.OnAttempt != nil {
		c.OnAttempt(a)
	}
}
