package tcpserver

import (
	"sync"
)

// A room is where everybody hears everybody: who is there, and the order in
// which things were said.
//
// Its lock makes that order one for all: whoever holds it puts a frame into
// every outbox before the next one can. Nothing that may wait happens under
// it, no reading, no writing, no password check: it would hold up everybody.
type room struct {
	mu    sync.Mutex
	users map[string]*session
	seq   uint64 // of the last chat message
}

// join lets c in under name, unless somebody else has that name, and reports
// whether it did. The newcomer's first frame is welcome, made with the list of
// who is there; everybody else is told that name has joined.
func (r *room) join(name string, c *session, welcome func(users []string) []byte) bool {
	return false
}

// leave takes c out, tells the others, and reports whether c was there. It
// looks for c and not for c's name: by now that may be somebody else's.
func (r *room) leave(c *session) bool {
	return false
}

// say sends what c said to everybody else, and to c the acknowledgement, if
// the request has an id to refer to.
func (r *room) say(c *session, req Request) {
	c.send(errorMessage{Type: "error", ID: req.ID, Code: "not_implemented",
		Message: "say: not implemented yet (labs/02-tcp-server/README.md#5-fan-out)"})
}

// tell puts frame, the same bytes for all, into everybody's outbox but that of
// except, and returns those who are too slow. The caller holds r.mu.
func (r *room) tell(frame []byte, except *session) (slow []*session) {
	return nil
}

// drop disconnects the sessions that are too slow. Their own goroutines do the
// rest.
func drop(slow []*session) {
}

// frameOf returns a message that always fits as a frame.
func frameOf(message any) []byte {
	return append(encode(message), '\n')
}
