package tcpclient

import (
	"context"
)

// Close ends the connection in order: it logs out and waits for the answer,
// says that nothing more will be sent (CloseWrite: FIN, with TLS close_notify),
// and receives until the server ends too, so that nothing is lost that
// the server has sent. Whatever ends the connection from the call on, the
// reason is ErrClosed.
//
// ctx is how long the caller is willing to wait. When it ends first, Close cuts
// the connection and returns ctx's error. Otherwise it returns nil, also when
// there is no connection any more, or never was; a Connect that is under way
// gives up. Calling it again, also at the same time, waits for the same end.
//
// Close does not wait for handlers, so handlers may call it.
func (c *Client) Close(ctx context.Context) error {
	l := <-c.life
	first := !isClosed(c.close)
	if first {
		close(c.close)
	}
	if l.giveUp != nil {
		l.giveUp()
	}
	c.life <- l

	if l.conn == nil || isClosed(c.done) {
		return nil
	}
	if first {
		c.sayGoodbye(ctx)
	}
	select {
	case <-c.done:
		return nil
	case <-ctx.Done():
		c.end(ErrClosed)
		return ctx.Err()
	}
}

// sayGoodbye logs out and ends what we send. The receive loop sees the rest.
func (c *Client) sayGoodbye(ctx context.Context) {
	c.ask(ctx, Request{Type: TypeLogout}, c.send) // who does not answer is left all the same
	select {
	case c.lastTask <- struct{}{}:
	case <-ctx.Done():
	case <-c.done:
	}
}

// disconnected tells whoever wants to know that the connection has ended. It
// is the last thing that the goroutine does that calls handlers, of which there
// is one: that is what makes it exactly once, and last.
func (c *Client) disconnected() {
	if f := c.options.OnDisconnect; f != nil {
		c.guarded("OnDisconnect", func() { f(c.cause) })
	}
}
