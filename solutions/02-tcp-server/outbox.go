package tcpserver

import (
	"errors"
	"net"
	"sync"
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
	conn         net.Conn
	limit        int // bytes
	writeTimeout time.Duration

	mu      sync.Mutex
	waiting [][]byte      // frames; shared with other outboxes, so never changed
	bytes   int           // in waiting, and in the batch that is being written
	closed  bool          // no more frames are taken
	wake    chan struct{} // has a value when there is something new to see
	done    chan struct{} // closed when run has returned
	err     error         // why run ended early; read it after done

	copied, writing net.Buffers // of write, kept so that it need not take memory each time
}

func newOutbox(conn net.Conn, limit int, writeTimeout time.Duration) *outbox {
	o := &outbox{conn: conn, limit: limit, writeTimeout: writeTimeout,
		wake: make(chan struct{}, 1), done: make(chan struct{})}
	go o.run()
	return o
}

// push queues frame, a line with its LF, and returns at once. It returns
// errTooSlow when frame does not fit, once: from then on, as after close, it is
// errOutboxClosed.
func (o *outbox) push(frame []byte) error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return errOutboxClosed
	}
	if o.bytes+len(frame) > o.limit {
		o.shut()
		return errTooSlow
	}
	o.waiting = append(o.waiting, frame)
	o.bytes += len(frame)
	o.signal()
	return nil
}

// close lets run send what is waiting and then end.
func (o *outbox) close() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.shut()
}

// shut closes the outbox; the caller holds o.mu.
func (o *outbox) shut() {
	o.closed = true
	o.signal()
}

func (o *outbox) signal() {
	select {
	case o.wake <- struct{}{}:
	default: // run has not looked since the last signal, and will see both
	}
}

// run writes what is waiting, all of it in one system call (writev), until the
// outbox is closed and empty, or a write fails.
func (o *outbox) run() {
	defer close(o.done)
	var batch [][]byte
	for range o.wake {
		for {
			var closed bool
			batch, closed = o.take(batch)
			if len(batch) == 0 {
				if closed {
					return
				}
				break
			}
			if err := o.write(batch); err != nil {
				o.err = err
				o.close()
				o.conn.Close() // wakes the reader, which ends the session
				return
			}
		}
	}
}

// take returns what is waiting, and leaves the memory of used, which has been
// written, for what comes next.
func (o *outbox) take(used [][]byte) (batch [][]byte, closed bool) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i, frame := range used {
		o.bytes -= len(frame)
		used[i] = nil
	}
	batch, o.waiting = o.waiting, used[:0]
	return batch, o.closed
}

// write sends batch. A write that fails may have sent a part of it, after
// which nobody can tell where the next frame begins: the connection is of no
// more use.
func (o *outbox) write(batch [][]byte) error {
	if o.writeTimeout > 0 {
		o.conn.SetWriteDeadline(time.Now().Add(o.writeTimeout))
	}
	o.copied = append(o.copied[:0], batch...)
	o.writing = o.copied // WriteTo uses up the slice that it is called on
	_, err := o.writing.WriteTo(o.conn)
	return err
}
