package tcpserver

import (
	"errors"
	"fmt"
	"io"
	"net"
	"runtime/debug"
	"syscall"
	"time"
)

// A session is the server's side of one connection. One goroutine reads and
// handles requests (serve), one writes (write).
type session struct {
	server  *Server
	hub     *hub
	conn    net.Conn
	started time.Time
	refused bool // turned away at the door

	// The reader's.
	member bool        // has logged in
	ping   *time.Timer // asks a silent client for a sign of life; nil if nobody asks

	// The hub's.
	name     string   // under which it has joined, "" before
	pending  [][]byte // the outbox: what no writer has yet
	waiting  int      // its bytes, and those that the writer has
	inFlight int      // those that the writer has
	writing  bool     // the writer has a batch
	shut     bool     // nothing more goes into the outbox
	ended    bool     // batches is closed
	reason   error    // why the server threw it out

	batch   [][]byte      // the writer's while writing, else the hub's
	batches chan [][]byte // from the hub to the writer
	flushed chan struct{} // closed when the writer has ended
}

func newSession(s *Server, h *hub, conn net.Conn) *session {
	return &session{server: s, hub: h, conn: conn, started: time.Now(),
		batches: make(chan [][]byte, 1), flushed: make(chan struct{})}
}

// run is the life of a session.
func (c *session) run() {
	go c.write()
	var last error
	func() {
		defer func() {
			if p := recover(); p != nil {
				c.server.logger().Error("panic in a connection", "remote", c.conn.RemoteAddr().String(), "panic", p, "stack", string(debug.Stack()))
			}
		}()
		last = c.serve()
	}()
	c.finish(last)
}

// A goodbye is the error that a client gets before its connection ends.
type goodbye struct{ code, message string }

func (g goodbye) Error() string { return g.code + ": " + g.message }

// serve handles the client's requests until the connection ends, and returns
// why it does.
func (c *session) serve() error {
	if c.refused {
		return goodbye{CodeServerFull, "the server is full, try again later"}
	}
	frames := NewDecoder(c.conn)
	for {
		c.awaitFrame()
		line, err := frames.Next()
		if err != nil {
			return c.whyEnd(err)
		}
		req, err := ParseRequest(line)
		if bad := (*RequestError)(nil); errors.As(err, &bad) {
			c.refuse(bad)
			continue
		}
		switch req.Type {
		case TypeLogin:
			c.login(req)
		case TypeChat:
			c.chat(req)
		case TypeLogout:
			c.logout(req)
			return nil
		case TypePing:
			c.answer(signal{Type: "pong", ID: req.ID})
		}
	}
}

func (c *session) whyEnd(err error) error {
	switch {
	case errors.Is(err, ErrFrameTooLong):
		return goodbye{CodeTooLong, "a line may have 64 KiB"}
	case errors.Is(err, ErrNotUTF8):
		return goodbye{CodeNotUTF8, "a line must be UTF-8"}
	case isTimeout(err) && c.server.isClosing():
		return goodbye{CodeShutdown, "the server is shutting down"}
	case isTimeout(err) && c.member:
		return goodbye{CodeTimeout, "nothing was heard for too long"}
	case isTimeout(err):
		return goodbye{CodeTimeout, "no login came in time"}
	case errors.Is(err, net.ErrClosed), errors.Is(err, io.ErrClosedPipe), err == io.EOF:
		return nil
	}
	return err
}

// write is the session's writer. Only it writes to the connection.
func (c *session) write() {
	defer close(c.flushed)
	var buffers net.Buffers
	for batch := range c.batches {
		c.hub.written <- report{c, c.writeBatch(&buffers, batch)}
	}
}

func (c *session) writeBatch(buffers *net.Buffers, batch [][]byte) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v", p)
		}
	}()
	if limit := c.server.WriteTimeout; limit > 0 {
		c.conn.SetWriteDeadline(time.Now().Add(limit))
	}
	*buffers = batch
	_, err = buffers.WriteTo(c.conn)
	return err
}

// send puts frame into the client's outbox.
func (c *session) send(frame []byte) {
	c.hub.post(func() { c.server.push(c, frame) })
}

// refuse answers a request that is wrong in itself.
func (c *session) refuse(why *RequestError) {
	c.answer(errorMessage{Type: "error", ID: why.ID, Code: why.Code, Message: why.Message})
}

// answer sends message, the answer to a request. With an id that is nearly as
// long as a frame it may not fit.
func (c *session) answer(message any) {
	line := frame(message)
	if len(line) > MaxFrame {
		line = unanswerable
	}
	c.send(line)
}

var unanswerable = frame(errorMessage{Type: "error", Code: CodeTooLong, Message: "the answer, with its id, does not fit into one message"})

// frame returns message, which must fit, as a frame.
func frame(message any) []byte { return append(encode(message), '\n') }

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) || errors.Is(err, io.ErrUnexpectedEOF)
}
