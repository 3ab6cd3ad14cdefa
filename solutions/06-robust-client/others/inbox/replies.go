package robustclient

import (
	"errors"
	"sync"
)

// ErrStale says that a request comes after a later one of its session: nobody
// waits for its reply any more.
var ErrStale = errors.New("the session is past this request")

// Replies is the memory of a server: what it has answered last to each session.
// With it a request that comes again, because its reply was lost, gets the same
// reply and does nothing. Its zero value remembers nothing yet. Its methods may
// be called by several goroutines at once.
type Replies struct {
	mu   sync.Mutex
	last map[string]*answer // by session
}

// An answer is the last one of a session.
type answer struct {
	seq  uint64
	done chan struct{} // closed when effect has returned
	body string        // from then on
}

// Do returns the body of the reply to a request: what effect returns, if the
// request is new, or what it returned when the request came first. A request
// that is still at work has come already: Do waits for its end and does not
// call effect again. One session's effects happen one after the other; those of
// different sessions do not wait for each other.
//
// It keeps one reply a session, which is enough: a session asks for the next
// thing only when it has given up on the last. A request before the last one is
// ErrStale.
func (r *Replies) Do(request Request, effect func() string) (string, error) {
	r.mu.Lock()
	before := r.last[request.Session]
	switch {
	case before != nil && before.seq > request.Seq:
		r.mu.Unlock()
		return "", ErrStale
	case before != nil && before.seq == request.Seq:
		r.mu.Unlock()
		<-before.done
		return before.body, nil
	}
	if r.last == nil {
		r.last = make(map[string]*answer)
	}
	present := &answer{seq: request.Seq, done: make(chan struct{})}
	r.last[request.Session] = present
	r.mu.Unlock()

	defer close(present.done)
	if before != nil {
		<-before.done
	}
	present.body = effect()
	return present.body, nil
}

// Forget forgets a session that will not come back.
func (r *Replies) Forget(session string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.last, session)
}
