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
	var limit time.Time
	switch idle := c.server.IdleTimeout; {
	case c.name == "" && c.server.LoginTimeout > 0:
		limit = c.started.Add(c.server.LoginTimeout)
	case idle > 0:
		limit = time.Now().Add(idle)
		if c.ping == nil {
			c.ping = time.AfterFunc(idle/2, func() { c.send(signal{Type: "ping"}) })
		} else {
			c.ping.Reset(idle / 2)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.stopped {
		c.conn.SetReadDeadline(limit)
	}
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
