package robustclient

import (
	"context"
	"errors"
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
	return nil, errors.New("Receive: not implemented yet (labs/06-robust-client/README.md#5-receive-with-timeout)")
}
