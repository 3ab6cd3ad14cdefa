package tcpserver

import (
	"errors"
	"io"
	"net"
	"time"
)

// maxDrain is how many bytes are read, and thrown away, from a client after
// the last message to it.
const maxDrain = 1 << 20

// logout takes the client out of the room, and then answers.
func (c *session) logout(req Request) {
	s := c.server
	c.hub.call(func() {
		s.leave(c)
		message := "goodbye"
		if c.name != "" {
			message += ", " + c.name
		}
		line := frame(logoutResponse{Type: "logout_response", ID: req.ID, Success: true, Message: message})
		if len(line) > MaxFrame {
			line = unanswerable
		}
		s.push(c, line)
	})
}

// finish ends the connection so that the client gets all that was sent to it,
// within CloseTimeout.
func (c *session) finish(why error) {
	s := c.server
	limit := time.Now().Add(s.closeTimeout())
	if c.ping != nil {
		c.ping.Stop()
	}
	bye, polite := why.(goodbye)
	var kicked error
	c.hub.call(func() { kicked = c.reason })
	c.log(kicked, why) // before anybody hears that the client has left
	c.hub.call(func() {
		s.leave(c)
		if polite {
			s.push(c, frame(errorMessage{Type: "error", Code: bye.code, Message: bye.message}))
		}
		c.shut = true
		s.feed(c)
		kicked = c.reason
	})
	late := time.AfterFunc(time.Until(limit), c.slam)
	<-c.flushed
	late.Stop()
	if half, ok := c.conn.(interface{ CloseWrite() error }); ok && kicked == nil && half.CloseWrite() == nil {
		c.conn.SetReadDeadline(limit)
		io.CopyN(io.Discard, c.conn, maxDrain)
	}
	c.conn.Close()
	var thrown error
	c.hub.call(func() {
		delete(s.state.sessions, c)
		if !c.refused {
			s.state.open--
		}
		thrown = c.reason
	})
	if kicked == nil && thrown != nil {
		c.log(thrown, nil) // thrown out while it was ending
	}
}

// log says why the connection ends: kicked if the server threw the client out,
// else why.
func (c *session) log(kicked, why error) {
	log := c.server.logger().With("remote", c.conn.RemoteAddr().String())
	switch {
	case kicked != nil && !isReset(kicked) && !errors.Is(kicked, io.ErrClosedPipe) && !errors.Is(kicked, net.ErrClosed):
		log.Warn("client disconnected", "reason", kicked)
	case kicked == nil && why != nil:
		log.Info("connection ends", "reason", why)
	default:
		log.Debug("connection ends")
	}
}

// slam closes the connection at once, without its rites.
func (c *session) slam() {
	if tcp, ok := c.conn.(interface{ SetLinger(int) error }); ok {
		tcp.SetLinger(0) // or the kernel would keep what is unsent, for minutes
	}
	c.conn.Close()
}
