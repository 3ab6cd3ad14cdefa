package tcpserver

import (
	"net"
)

// maxDrain is how many bytes are read, and thrown away, from a client after
// the last message to it.
const maxDrain = 1 << 20

// logout answers, and the answer is the last that the client gets: by then it
// has left the room. That the session then ends is its caller's part.
func (c *session) logout(req Request) {
	c.send(errorMessage{Type: "error", ID: req.ID, Code: "not_implemented",
		Message: "logout: not implemented yet (labs/02-tcp-server/README.md#7-log-out-and-close)"})
}

// end ends the connection so that the client gets all that was sent to it.
//
// Close alone can take that away: with input unread, or coming in later, the
// kernel answers with a reset (RFC 1122, 4.2.2.13), which makes the other side
// throw away what it has not read yet. So: send what waits in the outbox, say
// that nothing more will come (FIN), read until the client ends too, and only
// then close. All of it takes at most CloseTimeout.
//
// Until stage 7 it does what the original did.
func (c *session) end() {
	c.server.room.leave(c)
	c.conn.Close()
}

// abort closes the connection at once, without its rites: the client has shown
// that it would not read them.
func (c *session) abort(reason error) {
	c.logDisconnect(reason)
	if tcp, ok := c.conn.(*net.TCPConn); ok {
		tcp.SetLinger(0) // or the kernel would keep what is unsent, for minutes
	}
	c.conn.Close()
}

func (c *session) logDisconnect(reason error) {
	c.server.logger().Warn("client disconnected", "remote", c.conn.RemoteAddr().String(), "reason", reason)
}
