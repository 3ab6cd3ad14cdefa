package robustclient

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
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
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	conn, err := c.current()
	if err != nil {
		return nil, err
	}
	end := alarm(total)
	select {
	case conn.in <- struct{}{}:
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-end:
		return nil, os.ErrDeadlineExceeded
	}
	defer func() { <-conn.in }()
	defer conn.inbox.rest(conn.Conn)
	for {
		line, err := conn.inbox.line()
		if line != nil || err != nil {
			return line, err
		}
		select {
		case p := <-conn.inbox.more(conn.Conn):
			conn.inbox.put(p)
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-end:
			return nil, os.ErrDeadlineExceeded
		case <-alarm(idle):
			return nil, os.ErrDeadlineExceeded
		}
	}
}

// alarm rings after d; never, if that is 0.
func alarm(d time.Duration) <-chan time.Time {
	if d == 0 {
		return nil
	}
	return time.After(d)
}

// An inbox is what has come over a connection and was not asked for yet. Whoever
// has the turn of receiving may use it.
type inbox struct {
	data   []byte    // has come
	looked int       // so many bytes of data have no LF
	err    error     // how the connection ended, after data
	parts  chan part // has at most one element
	asked  bool      // a Read is on its way to parts
}

// A part is what one Read has brought.
type part struct {
	data []byte
	err  error
}

// more is where the next part comes.
func (in *inbox) more(r io.Reader) <-chan part {
	if !in.asked {
		in.asked = true
		go func() {
			buf := make([]byte, 4<<10)
			n, err := r.Read(buf)
			in.parts <- part{buf[:n], err}
		}()
	}
	return in.parts
}

// rest ends the Read that nobody waits for any more, and keeps what it brings
// nevertheless.
func (in *inbox) rest(conn net.Conn) {
	if in.asked {
		conn.SetReadDeadline(past)
		p := <-in.parts
		if errors.Is(p.err, os.ErrDeadlineExceeded) {
			p.err = nil
		}
		in.put(p)
	}
	conn.SetReadDeadline(time.Time{})
}

func (in *inbox) put(p part) {
	in.asked = false
	in.data = append(in.data, p.data...)
	in.err = p.err
}

// line takes the first line; without one it is nil, with the error if there
// will not be any.
func (in *inbox) line() ([]byte, error) {
	i := bytes.IndexByte(in.data[in.looked:], '\n')
	switch {
	case i >= 0 && in.looked+i < MaxLine:
		line := in.data[: in.looked+i : in.looked+i]
		in.data, in.looked = in.data[in.looked+i+1:], 0
		return append([]byte{}, bytes.TrimSuffix(line, []byte{'\r'})...), nil
	case i >= 0, len(in.data) > MaxLine:
		return nil, ErrTooLong
	case in.err == io.EOF && len(in.data) > 0:
		return nil, io.ErrUnexpectedEOF
	}
	in.looked = len(in.data)
	return nil, in.err
}
