package robustclient

import (
	"context"
	"errors"
	"io"
)

// ErrTailTooLong says that the server went on sending after the end.
var ErrTailTooLong = errors.New("the server goes on sending")

// CloseGracefully ends the connection so that neither side loses anything: it
// says that nothing more will be sent (CloseWrite), reads until the server ends
// too, and closes. The tail is what came and was not received, from the first
// byte of it on: what earlier calls of Receive have left, and what came since.
//
// It ends at once when ctx does, after CloseTimeout at the latest, and when the
// tail is longer than maxBytes; then the error is context.Canceled or
// context.DeadlineExceeded, or ErrTailTooLong (to errors.Is), and the tail is
// what has come by then, at most maxBytes. If the connection breaks, the error
// says so. In any case it is closed afterwards, and the client is unconnected.
//
// A connection without CloseWrite is just closed. Without any it is
// ErrNotConnected. A SendAll that is at work may be cut off by CloseWrite: wait for
// it first. Of two calls at once, one closes; the other gets what is left of the
// tail, and an error or none.
func (c *Client) CloseGracefully(ctx context.Context, maxBytes int) (tail []byte, err error) {
	conn, err := c.current()
	if err != nil {
		return nil, err
	}
	defer c.forget(conn)
	defer conn.Close()
	ctx, cancel := context.WithTimeout(ctx, c.closeTimeout())
	defer cancel()
	// Closing also wakes a Receive or SendAll that waits.
	stop := context.AfterFunc(ctx, func() { conn.Close() })
	defer stop()

	half, ok := conn.Conn.(interface{ CloseWrite() error })
	if ok {
		err = half.CloseWrite()
	} else {
		conn.Close()
	}
	if taken := conn.receiving.take(ctx); taken != nil {
		return nil, taken
	}
	defer conn.receiving.give()
	tail, conn.received = conn.received, nil
	if ok && err == nil {
		var more []byte
		more, err = io.ReadAll(io.LimitReader(conn, int64(maxBytes-len(tail)+1)))
		tail = append(tail, more...)
	}
	if len(tail) > maxBytes {
		return tail[:maxBytes], ErrTailTooLong
	}
	if err != nil && ctx.Err() != nil {
		err = ctx.Err()
	}
	return tail, err
}
