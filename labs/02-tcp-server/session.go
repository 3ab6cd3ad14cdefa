package tcpserver

import (
	"net"
	"sync"
	"time"
)

// A session is the server's side of one connection. One goroutine reads and
// handles requests (serve). From stage 5 on another one writes: then a session
// has an outbox.
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
	return &session{server: s, conn: conn, started: time.Now()}
}

// serve handles the client's requests until the connection ends, whoever ends
// it.
//
// A request that is wrong in itself is answered with an error, and the
// connection goes on: the next line is a new start. A broken frame is answered
// with an error too, but then the connection ends: nobody can tell where the
// next frame begins.
func (c *session) serve() {
	c.refuse("not_implemented", "serve: not implemented yet (labs/02-tcp-server/README.md#3-accept-loop)")
}

// readFailed tells the client, where that makes sense, why no more is read.
func (c *session) readFailed(err error) {
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

// send sends message to the client. It writes straight to the connection,
// which is good enough until stage 5: there it gives the message to the
// client's outbox instead, so that it never waits.
func (c *session) send(message any) {
	if err := WriteFrame(c.conn, encode(message)); err != nil {
		c.server.logger().Info("cannot send", "remote", c.conn.RemoteAddr().String(), "err", err)
	}
}

// refuse sends the error that ends the connection.
func (c *session) refuse(code, message string) {
	c.send(errorMessage{Type: "error", Code: code, Message: message})
}
