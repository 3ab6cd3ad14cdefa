package tcpclient

import (
	"context"
	"encoding/json"
	"errors"
	"net"
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
	return errors.New("send: not implemented yet (labs/03-tcp-client/README.md#5-send-path)")
}

// takeTurn waits until the caller may write, and returns the connection to
// write to. Without an error, endTurn must follow.
func (c *Client) takeTurn(ctx context.Context) (net.Conn, error) {
	return nil, errors.New("takeTurn: not implemented yet (labs/03-tcp-client/README.md#5-send-path)")
}

func (c *Client) endTurn() { <-c.turn }

// write writes payload as a frame, in the time that ctx and the options give
// it. It leaves no deadline behind that could hit the next frame.
func (c *Client) write(ctx context.Context, conn net.Conn, payload []byte) error {
	return errors.New("write: not implemented yet (labs/03-tcp-client/README.md#5-send-path)")
}

// pinged has a ping answered, and does not wait for that: while the server does
// not read, answering takes for ever.
func (c *Client) pinged(ping Message) {
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
