package robustclient

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// ErrPoisoned says that nothing more may be sent on this connection, because an
// earlier SendAll stopped in the middle of what it had to send.
var ErrPoisoned = errors.New("an earlier message was sent in part")

// SendAll sends all of b before ctx ends, or says with n how many bytes of it
// the connection has taken. It returns an error exactly when n < len(b): none if
// the Write that took the last byte had one, and none for an empty b, not even
// without a connection.
//
// n bytes taken are not n bytes arrived: whether the server has got them, only
// an answer of it can tell.
//
// After a failure with 0 < n < len(b) the server waits for the rest of a
// message, and would take the next one for it: from then on SendAll sends
// nothing and returns ErrPoisoned. A new connection begins anew.
//
// When ctx ends, SendAll stops at once, with an error that is ctx.Err() (to
// errors.Is). A Write that takes a part of what it was given, without an
// error, is followed by another one; one that takes nothing is io.ErrNoProgress.
// Nothing of two calls is ever mixed. When it returns, the connection has no
// write deadline; it never touches the read deadline.
func (c *Client) SendAll(ctx context.Context, b []byte) (n int, err error) {
	if len(b) == 0 {
		return 0, nil // all of it is sent
	}
	conn, err := c.current()
	if err != nil {
		return 0, err
	}
	var broken error
	select {
	case broken = <-conn.out:
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	if broken == nil {
		release := interrupt(ctx, conn.SetWriteDeadline)
		n, err = writeAll(ctx, conn, b)
		release()
		if 0 < n && n < len(b) {
			broken = ErrPoisoned
		}
	} else {
		err = broken
	}
	conn.out <- broken
	return n, err
}

// writeAll writes until nothing is left, something goes wrong or ctx ends.
func writeAll(ctx context.Context, w io.Writer, b []byte) (n int, err error) {
	for n < len(b) {
		if ctx.Err() != nil {
			return n, ctx.Err()
		}
		taken, err := w.Write(b[n:])
		n += taken
		switch {
		case n == len(b):
		case err != nil && ctx.Err() != nil:
			return n, fmt.Errorf("%w: %w", ctx.Err(), err)
		case err != nil:
			return n, err
		case taken == 0:
			return n, io.ErrNoProgress
		}
	}
	return n, nil
}
