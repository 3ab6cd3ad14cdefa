package tcpserver

import (
	"errors"
	"net"
	"sync"
	"time"
)

// A session is the server's side of one connection. One goroutine reads and
// handles requests (serve), another one writes (the outbox).
type session struct {
	server  *Server
	conn    net.Conn
	out     *outbox
	name    string // the user's, "" before login; only the room changes it
	started time.Time
	ping    *time.Timer // asks a silent client for a sign of life; nil if nobody asks

	mu      sync.Mutex // guards the read deadline and
	stopped bool       // whoever has set it has set the read deadline for good
}

func newSession(s *Server, conn net.Conn) *session {
	c := &session{server: s, conn: conn, started: time.Now()}
	c.out = newOutbox(conn, s.outboxLimit(), s.WriteTimeout)
	return c
}

// serve handles the client's requests until the connection ends, whoever ends
// it.
//
// A request that is wrong in itself is answered with an error, and the
// connection goes on: the next line is a new start. A broken frame is answered
// with an error too, but then the connection ends: nobody can tell where the
// next frame begins.
func (c *session) serve() {
	frames := NewDecoder(c.conn)
	for {
		c.awaitFrame()
		frame, err := frames.Next()
		if err != nil {
			c.readFailed(err)
			return
		}
		req, err := ParseRequest(frame)
		if bad := (*RequestError)(nil); errors.As(err, &bad) {
			c.send(errorMessage{Type: "error", ID: bad.ID, Code: bad.Code, Message: bad.Message})
			continue
		}
		if goOn := c.handle(req); !goOn {
			return
		}
	}
}

// readFailed tells the client, where that makes sense, why no more is read.
func (c *session) readFailed(err error) {
	switch {
	case errors.Is(err, ErrFrameTooLong):
		c.refuse(CodeTooLong, "a message is one line of at most 64 KiB")
	case errors.Is(err, ErrNotUTF8):
		c.refuse(CodeNotUTF8, "a message is UTF-8 text")
	case c.server.isClosing():
		c.refuse(CodeShutdown, "the server is shutting down")
	case isTimeout(err):
		c.refuse(CodeTimeout, "nothing came for too long")
	case !isEnd(err):
		c.server.logger().Info("connection failed", "remote", c.conn.RemoteAddr().String(), "err", err)
	}
}

// handle does what req asks, and reports whether the connection goes on.
func (c *session) handle(req Request) (goOn bool) {
	switch req.Type {
	case TypeLogin:
		c.login(req)
	case TypeChat:
		c.chat(req)
	case TypeLogout:
		c.logout(req)
		return false
	case TypePing:
		c.send(signal{Type: "pong", ID: req.ID})
	}
	return true
}

// send gives message to the client's outbox. It never waits: a client that is
// too slow for its outbox is disconnected.
func (c *session) send(message any) {
	frame, err := appendFrame(nil, encode(message))
	if err != nil {
		return
	}
	if errors.Is(c.out.push(frame), errTooSlow) {
		c.abort(errTooSlow)
	}
}

// refuse sends the error that ends the connection.
func (c *session) refuse(code, message string) {
	c.send(errorMessage{Type: "error", Code: code, Message: message})
}
