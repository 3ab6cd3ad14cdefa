package tcpclient

import (
	"context"
	"encoding/json"
	"net"
	"os"
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
	switch {
	case isClosed(c.done):
		return c.cause
	case isClosed(c.close):
		return ErrClosed
	}
	return c.submit(ctx, r, c.close)
}

// send is Send, for a logout also while the client is being closed.
func (c *Client) send(ctx context.Context, r Request) error {
	return c.submit(ctx, r, nil)
}

// submit has r written, unless closing is closed before its turn has come.
func (c *Client) submit(ctx context.Context, r Request, closing <-chan struct{}) error {
	l := <-c.life
	c.life <- l
	if l.conn == nil {
		return ErrNotConnected
	}
	payload, err := r.Encode()
	switch {
	case err != nil:
		return err
	case len(payload) >= MaxFrame:
		return ErrFrameTooLong
	case ctx.Err() != nil:
		return ctx.Err()
	}
	over := make(chan error, 1)
	select {
	case c.tasks <- task{ctx, closing, payload, over}:
		return <-over
	case <-ctx.Done():
		return ctx.Err()
	case <-closing:
		return ErrClosed
	case <-c.done:
		return c.cause
	}
}

// A task is for the writer. The writer answers each that it has taken.
type task struct {
	ctx     context.Context
	closing <-chan struct{}
	payload []byte
	over    chan<- error
}

// writer is the goroutine that writes, one frame after the other.
func (c *Client) writer(conn net.Conn) {
	for {
		select {
		case t := <-c.tasks:
			t.over <- c.write(t, conn)
		case <-c.lastTask:
			if half, ok := conn.(interface{ CloseWrite() error }); ok {
				half.CloseWrite()
			}
			return
		case <-c.done:
			return
		}
	}
}

// write writes payload as a frame, in the time that ctx and the options give
// it.
func (c *Client) write(t task, conn net.Conn) error {
	switch {
	case isClosed(c.done):
		return c.cause
	case t.ctx.Err() != nil:
		return t.ctx.Err() // in time: nothing has been written
	case isClosed(t.closing):
		return ErrClosed
	}
	var tooLong <-chan time.Time
	if limit := c.options.WriteTimeout; limit > 0 {
		timer := time.NewTimer(limit)
		defer timer.Stop()
		tooLong = timer.C
	}
	written := make(chan error, 1)
	go func() { written <- WriteFrame(conn, t.payload) }()
	var stopped error
	select {
	case err := <-written:
		return c.wrote(err)
	case <-t.ctx.Done():
		stopped = t.ctx.Err()
	case <-tooLong:
		stopped = os.ErrDeadlineExceeded
	}
	// Nobody but this goroutine moves the deadline, so it hits nobody else.
	conn.SetWriteDeadline(time.Unix(1, 0))
	if <-written == nil {
		conn.SetWriteDeadline(time.Time{}) // it was over in time after all
		return nil
	}
	return c.wrote(stopped)
}

// wrote ends the connection if a write has failed.
func (c *Client) wrote(err error) error {
	if err == nil {
		return nil
	}
	c.end(err)
	return c.cause
}

// pinged has a ping answered, and does not wait for that: while the server does
// not read, answering takes for ever.
func (c *Client) pinged(ping Message) {
	select {
	case c.pings <- ping:
	default: // enough of them wait to show that we are alive
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
