package tcpserver

import (
	"errors"
	"os"
	"time"
)

var longPast = time.Unix(1, 0)

// awaitFrame sets how long the client may take for its next whole message.
func (c *session) awaitFrame() {
	var limit time.Time
	if s := c.server; c.member && s.IdleTimeout > 0 {
		limit = time.Now().Add(s.IdleTimeout)
		if c.ping == nil {
			c.ping = time.AfterFunc(s.IdleTimeout/2, func() { c.send(frame(signal{Type: "ping"})) })
		} else {
			c.ping.Reset(s.IdleTimeout / 2)
		}
	} else if !c.member && s.LoginTimeout > 0 {
		limit = c.started.Add(s.LoginTimeout)
	}
	c.conn.SetReadDeadline(limit)
	// Shutdown closes closing first and sets the deadline then: whichever of
	// the two deadlines comes last, it is the one in the past.
	if c.server.isClosing() {
		c.conn.SetReadDeadline(longPast)
	}
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }
