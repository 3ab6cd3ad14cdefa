package tcpserver

import (
	"errors"
	"net"
	"time"
)

var (
	// errTooSlow reports a client that leaves more bytes waiting than its
	// outbox holds.
	errTooSlow = errors.New("client is too slow: its outbox is full")

	errOutboxClosed = errors.New("outbox is closed")
)

// An outbox holds what is still to be sent to one client, so that nobody who
// has something for that client waits for its network. Its own goroutine, run,
// is the only one that writes to the connection.
//
// It is bounded in bytes: a bound on messages would let a few large ones take
// any amount of memory, or drop a client for many small ones.
type outbox struct {
	// What does it need? README, stage 5.
}

// newOutbox returns an outbox whose goroutine, run, writes to conn.
func newOutbox(conn net.Conn, limit int, writeTimeout time.Duration) *outbox {
	return &outbox{}
}

// push queues frame, a line with its LF, and returns at once. It returns
// errTooSlow when frame does not fit, once: from then on, as after close, it is
// errOutboxClosed.
func (o *outbox) push(frame []byte) error {
	return errors.New("push: not implemented yet (labs/02-tcp-server/README.md#5-fan-out)")
}

// close lets run send what is waiting and then end.
func (o *outbox) close() {}

// run writes what is waiting until the outbox is closed and empty, or a write
// fails. A write that fails may have sent a part of a frame, after which nobody
// can tell where the next one begins: the connection is of no more use.
//
// Stage 9: all that is waiting goes out in one system call (writev), see
// net.Buffers.
func (o *outbox) run() {}
