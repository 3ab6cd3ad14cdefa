package tcpclient

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"time"
)

// Send writes r to the server as one frame. That it returns nil means that the
// frame is on its way; who wants to know whether it has arrived uses Ask.
//
// Senders take turns: one frame, with its deadline, after the other. Whoever
// waits for his turn when ctx ends goes without having done anything. Once
// writing has begun, ctx's end or Options.WriteTimeout stops it, and since a part
// of the frame may be on its way by then, the connection ends: whatever came
// next would be read as the rest of it. So it does with any error of a write.
//
// A frame that is whole on its way when ctx ends may count as sent, or as
// stopped; in the second case the connection ends, as it does with any other.
//
// The error is ctx's, or os.ErrDeadlineExceeded when WriteTimeout was over (when
// ctx's own deadline was, it may be either); ErrFrameTooLong, with no harm done;
// ErrNotConnected before there is a connection; ErrClosed after the call of
// Close, also for whoever waits for his turn then; and Err's once the connection
// has ended, also for whoever was writing.
//
// An ID that r brings along is sent as it is; Send waits for no answer, and what
// carries such an id is nobody's and dropped.
func (c *Client) Send(ctx context.Context, r Request) error {
	c.mu.Lock()
	closing, cause := c.closing, c.cause
	c.mu.Unlock()
	switch {
	case cause != nil:
		return cause
	case closing:
		return ErrClosed
	}
	return c.send(ctx, r)
}

// send is Send, for a logout also while the client is being closed.
func (c *Client) send(ctx context.Context, r Request) error {
	payload, err := r.Encode()
	if err != nil {
		return err
	}
	conn, err := c.takeTurn(ctx)
	if err != nil {
		return err
	}
	defer c.endTurn()
	if r.Type != TypeLogout && c.isClosing() { // meanwhile: nothing may follow the logout
		return ErrClosed
	}
	err = c.write(ctx, conn, payload)
	c.options.Logger.Debug("sent", "request", r, "err", err)
	switch {
	case err == nil, errors.Is(err, ErrFrameTooLong):
		return err
	case ctx.Err() != nil:
		err = fmt.Errorf("%w: %w", ctx.Err(), err)
	}
	c.end(err)
	return c.Err() // which may have been something else, and made the write fail
}

func (c *Client) isClosing() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.closing
}

// takeTurn waits until the caller may write, and returns the connection to
// write to. Without an error, endTurn must follow.
func (c *Client) takeTurn(ctx context.Context) (net.Conn, error) {
	c.mu.Lock()
	conn := c.conn
	c.mu.Unlock()
	if conn == nil {
		return nil, ErrNotConnected
	}
	select {
	case c.turn <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-c.done:
		return nil, c.Err()
	}
	if err := errors.Join(ctx.Err(), c.Err()); err != nil { // both, when select had the choice
		c.endTurn()
		return nil, err
	}
	return conn, nil
}

func (c *Client) endTurn() { <-c.turn }

// write writes payload as a frame, in the time that ctx and the options give
// it. It leaves no deadline behind that could hit the next frame.
func (c *Client) write(ctx context.Context, conn net.Conn, payload []byte) error {
	var limit time.Time
	if c.options.WriteTimeout > 0 {
		limit = time.Now().Add(c.options.WriteTimeout)
	}
	conn.SetWriteDeadline(limit)
	interrupted := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.SetWriteDeadline(time.Unix(1, 0)) // long past
		close(interrupted)
	})
	err := WriteFrame(conn, payload)
	if !stop() {
		<-interrupted // or it would interrupt whoever comes next
	}
	return err
}

// pinged has a ping answered, and does not wait for that: while the server does
// not read, answering takes for ever.
func (c *Client) pinged(ping Message) {
	select {
	case c.pings <- ping:
	default: // a server that leaves so many unread does not miss this one
	}
}

// answerPings answers the pings of the server until the connection ends.
func (c *Client) answerPings() {
	for {
		select {
		case ping := <-c.pings:
			c.Send(context.Background(), Request{Type: TypePong, ID: json.RawMessage(ping.ID)})
		case <-c.done:
			return
		}
	}
}
