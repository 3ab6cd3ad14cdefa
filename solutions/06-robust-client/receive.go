package robustclient

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"time"
)

// ErrTooLong says that the server sent a line of more than MaxLine bytes, its LF
// included. Nothing more can be received on this connection.
var ErrTooLong = errors.New("a line is too long")

// Receive returns the next line that the server sends, without its LF and
// without a CR before that.
//
// It waits at most so long: idle for the next byte, and total for the whole
// line, from the call on, however busily its bytes trickle in and however long
// another Receive is at work; 0 is no limit.
// What it returns instead of a line tells apart
//
//	os.ErrDeadlineExceeded  the server is slow: it may be asked again
//	io.EOF                  the server has ended the connection in good order
//	io.ErrUnexpectedEOF     it has, in the middle of a line
//	ECONNRESET, …           the connection is broken
//	ctx.Err()               ctx has ended
//
// to errors.Is. Nothing is lost by a timeout or by the end of ctx: the bytes of
// a line that have come by then are part of what the next call returns.
//
// When Receive returns, the connection has no read deadline, and no Read that
// Receive began still waits on it; it never touches the write deadline.
func (c *Client) Receive(ctx context.Context, idle, total time.Duration) ([]byte, error) {
	conn, err := c.current()
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	if err := takeWithin(ctx, conn.receiving, total); err != nil {
		return nil, err
	}
	defer conn.receiving.give()
	release := interrupt(ctx, conn.SetReadDeadline)
	defer release()
	buf := make([]byte, 4096)
	for searched := 0; ; {
		if i := bytes.IndexByte(conn.received[searched:], '\n'); i >= 0 && searched+i < MaxLine {
			line := conn.received[:searched+i]
			conn.received = conn.received[searched+i+1:]
			return bytes.TrimSuffix(line, []byte("\r")), nil
		}
		if searched = len(conn.received); searched >= MaxLine {
			return nil, ErrTooLong
		}
		conn.SetReadDeadline(earlier(after(begin, total), after(time.Now(), idle)))
		if ctx.Err() != nil { // or its deadline would be overwritten by ours
			return nil, ctx.Err()
		}
		n, err := conn.Read(buf[:min(len(buf), MaxLine-searched)])
		conn.received = append(conn.received, buf[:n]...)
		switch {
		case n > 0:
		case errors.Is(err, os.ErrDeadlineExceeded) && ctx.Err() != nil:
			return nil, ctx.Err()
		case err == io.EOF && searched > 0:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
	}
}

// takeWithin waits for the turn, for as long as limit; 0 is no limit.
func takeWithin(ctx context.Context, t turn, limit time.Duration) error {
	limited, cancel := ctx, context.CancelFunc(func() {})
	if limit > 0 {
		limited, cancel = context.WithTimeout(ctx, limit)
	}
	defer cancel()
	err := t.take(limited)
	if err != nil && ctx.Err() == nil {
		return os.ErrDeadlineExceeded
	}
	return err
}

// after is the end of a limit that begins at t; the zero time if it is none.
func after(t time.Time, limit time.Duration) time.Time {
	if limit == 0 {
		return time.Time{}
	}
	return t.Add(limit)
}

// earlier is the earlier of two points in time; the zero time is never.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || !b.IsZero() && b.Before(a) {
		return b
	}
	return a
}
