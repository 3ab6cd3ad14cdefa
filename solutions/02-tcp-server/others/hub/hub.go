package tcpserver

import (
	"errors"
	"net"
	"slices"
)

var (
	errTooSlow = errors.New("client is too slow: its outbox is full")
	errCutOff  = errors.New("server was shut down before the connection had ended")
)

// A hub is the goroutine that owns the server's state, and with it each
// session's outbox. All others talk to it through its channels; it never waits
// for any of them, nor for a network.
type hub struct {
	ops     chan func()   // done one after the other, in the order in which they come
	written chan report   // from the writers
	quit    chan struct{} // closed when nobody needs the hub any more
	done    chan struct{} // closed when the hub has ended
}

// state is what the hub owns.
type state struct {
	listeners map[net.Listener]bool
	sessions  map[*session]bool
	members   map[string]*session // by name
	open      int                 // how many of sessions count for MaxConns
	seq       uint64              // of the last chat message
	closing   bool
}

// A report says that a writer has written its batch, or failed to.
type report struct {
	c   *session
	err error
}

// acquire returns the hub, which runs until it has been released as often.
func (s *Server) acquire() *hub {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing == nil {
		s.closing = make(chan struct{})
		s.state = state{
			listeners: make(map[net.Listener]bool),
			sessions:  make(map[*session]bool),
			members:   make(map[string]*session),
		}
	}
	if s.hub == nil {
		s.hub = &hub{
			ops:     make(chan func(), 64),
			written: make(chan report, 64),
			quit:    make(chan struct{}),
			done:    make(chan struct{}),
		}
		go s.runHub(s.hub)
	}
	s.users++
	return s.hub
}

func (s *Server) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.users--
	if s.users == 0 {
		close(s.hub.quit)
		<-s.hub.done
		s.hub = nil
	}
}

func (s *Server) runHub(h *hub) {
	defer close(h.done)
	for {
		select {
		case op := <-h.ops:
			op()
		case r := <-h.written:
			s.hasWritten(r)
		case <-h.quit:
			return
		}
	}
}

// call lets the hub do op and waits until it has.
func (h *hub) call(op func()) {
	done := make(chan struct{})
	h.ops <- func() { defer close(done); op() }
	<-done
}

// post lets the hub do op some time, unless it has ended by then.
func (h *hub) post(op func()) {
	select {
	case h.ops <- op:
	case <-h.done:
	}
}

// What follows runs in the hub's goroutine only.

// batchSize is about how many bytes a writer is given at once.
const batchSize = 64 << 10

// push puts frame into c's outbox. When it does not fit, c is thrown out.
func (s *Server) push(c *session, frame []byte) {
	if c.shut {
		return
	}
	if c.waiting+len(frame) > s.outboxLimit() {
		s.kick(c, errTooSlow)
		return
	}
	c.pending = append(c.pending, frame)
	c.waiting += len(frame)
	s.feed(c)
}

// feed gives c's writer something to do, unless it is busy or there is nothing.
// The writer ends when nothing more will ever come.
func (s *Server) feed(c *session) {
	switch {
	case c.writing || c.ended:
	case len(c.pending) > 0:
		n := 0
		for n < len(c.pending) && c.inFlight < batchSize {
			c.inFlight += len(c.pending[n])
			n++
		}
		c.batch = append(c.batch[:0], c.pending[:n]...)
		rest := copy(c.pending, c.pending[n:])
		clear(c.pending[rest:])
		c.pending = c.pending[:rest]
		c.writing = true
		c.batches <- c.batch // never waits: the writer has none
	case c.shut:
		c.ended = true
		close(c.batches)
	}
}

func (s *Server) hasWritten(r report) {
	c := r.c
	c.writing = false
	c.waiting -= c.inFlight
	c.inFlight = 0
	if r.err != nil {
		s.kick(c, r.err)
	}
	s.feed(c)
}

// tell puts frame into the outbox of every member but except.
func (s *Server) tell(frame []byte, except *session) {
	for _, c := range s.state.members {
		if c != except {
			s.push(c, frame)
		}
	}
}

// kick ends c's connection at once. Its own goroutines do the rest: the reader
// fails, and leaves for it (see finish).
func (s *Server) kick(c *session, reason error) {
	if c.reason == nil {
		c.reason = reason
	}
	c.shut = true
	c.pending, c.waiting = nil, c.inFlight
	c.slam()
	s.feed(c)
}

// join lets c in under name, unless somebody has it.
func (s *Server) join(c *session, name string, welcome func(users []string) []byte) bool {
	if s.state.members[name] != nil || c.shut {
		return false
	}
	c.name = name
	s.state.members[name] = c
	users := make([]string, 0, len(s.state.members))
	for user := range s.state.members {
		users = append(users, user)
	}
	slices.Sort(users)
	s.push(c, welcome(users))
	s.tell(frame(presence{Type: "joined", Username: name}), c)
	return true
}

func (s *Server) leave(c *session) {
	if c.name == "" || s.state.members[c.name] != c {
		return
	}
	delete(s.state.members, c.name)
	s.tell(frame(presence{Type: "left", Username: c.name}), nil)
}
