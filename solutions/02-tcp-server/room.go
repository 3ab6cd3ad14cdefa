package tcpserver

import (
	"errors"
	"maps"
	"slices"
	"sync"
	"time"
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
	r.mu.Lock()
	if _, taken := r.users[name]; taken {
		r.mu.Unlock()
		return false
	}
	if r.users == nil {
		r.users = make(map[string]*session)
	}
	r.users[name] = c
	c.name = name
	c.out.push(welcome(slices.Sorted(maps.Keys(r.users))))
	slow := r.tell(frameOf(presence{Type: "joined", Username: name}), c)
	r.mu.Unlock()
	drop(slow)
	return true
}

// leave takes c out, tells the others, and reports whether c was there. It
// looks for c and not for c's name: by now that may be somebody else's.
func (r *room) leave(c *session) bool {
	r.mu.Lock()
	if c.name == "" || r.users[c.name] != c {
		r.mu.Unlock()
		return false
	}
	delete(r.users, c.name)
	slow := r.tell(frameOf(presence{Type: "left", Username: c.name}), c)
	r.mu.Unlock()
	drop(slow)
	return true
}

// say sends what c said to everybody else, and to c the acknowledgement, if
// the request has an id to refer to.
func (r *room) say(c *session, req Request) {
	now := float64(time.Now().UnixMicro()) / 1e6
	r.mu.Lock()
	r.seq++
	message := chatMessage{Type: "chat_message", Seq: r.seq, Username: c.name, Content: req.Content, Timestamp: now}
	frame, err := appendFrame(nil, encode(message))
	if err != nil { // with our fields around it, the content no longer fits
		r.seq--
		r.mu.Unlock()
		c.send(errorMessage{Type: "error", ID: req.ID, Code: CodeTooLong, Message: "content is too long"})
		return
	}
	slow := r.tell(frame, c)
	if req.ID != nil {
		ack := frameOf(chatResponse{Type: "chat_response", ID: req.ID, Success: true, Seq: r.seq})
		if errors.Is(c.out.push(ack), errTooSlow) {
			slow = append(slow, c)
		}
	}
	r.mu.Unlock()
	drop(slow)
}

// tell puts frame, the same bytes for all, into everybody's outbox but that of
// except, and returns those who are too slow. The caller holds r.mu.
func (r *room) tell(frame []byte, except *session) (slow []*session) {
	for _, c := range r.users {
		if c == except {
			continue
		}
		if errors.Is(c.out.push(frame), errTooSlow) {
			slow = append(slow, c)
		}
	}
	return slow
}

// drop disconnects the sessions that are too slow. Their own goroutines do the
// rest.
func drop(slow []*session) {
	for _, c := range slow {
		c.abort(errTooSlow)
	}
}

// frameOf returns a message that always fits as a frame.
func frameOf(message any) []byte {
	return append(encode(message), '\n')
}
