package robustclient

import (
	"context"
	"errors"
	"io"
	"net"
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
	ctx, cancel := context.WithTimeout(ctx, c.closeTimeout())
	defer cancel()
	// From here on the end of ctx closes the connection, and that wakes everybody
	// who waits on it: a SendAll, a Receive, and the loop below.
	closed := make(chan struct{})
	context.AfterFunc(ctx, func() {
		conn.Close()
		c.forget(conn)
		close(closed)
	})
	defer func() {
		cancel()
		<-closed
	}()

	var trouble error
	half, ok := conn.Conn.(interface{ CloseWrite() error })
	if ok {
		broken := <-conn.out // a message that is on its way
		conn.out <- errors.Join(broken, net.ErrClosed)
		trouble = half.CloseWrite()
	} else {
		cancel()
		<-closed
	}

	conn.in <- struct{}{} // a Receive ends with the connection, at the latest
	defer func() { <-conn.in }()
	in := &conn.inbox
	for in.err == nil && len(in.data) <= maxBytes && trouble == nil && ctx.Err() == nil {
		in.put(<-in.more(conn.Conn))
	}
	tail, in.data, in.looked = in.data, nil, 0
	switch {
	case len(tail) > maxBytes:
		return tail[:maxBytes], ErrTailTooLong
	case trouble != nil:
		return tail, trouble
	case in.err == io.EOF:
		return tail, nil
	case !ok:
		return tail, nil
	case ctx.Err() != nil:
		return tail, ctx.Err()
	}
	return tail, in.err
}
