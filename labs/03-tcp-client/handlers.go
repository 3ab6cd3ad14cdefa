package tcpclient

import (
	"sync"
)

// handlers has what is to be called for messages of each type; that for
// messages of any other type stands under "".
type handlers struct {
	mu     sync.Mutex
	byType map[string][]*handler
}

// A handler is one registration. Its address tells it from another one of the
// same function.
type handler struct {
	call func(Message)
}

// On registers f for messages of a type, and returns a function that takes it
// out again. Several functions for one type are called in the order of their
// registration. Registering and taking out are possible at any time, also by
// handlers; when remove has returned, no further call of f begins.
//
// Handlers are called one after the other, message by message in the order in
// which they came, in a goroutine of their own: they may take their time, and
// use the client. Who takes too much time fills the queue, see
// Options.QueueLimit. A panic in a handler ends that call and nothing else; it
// is logged.
//
// Pings do not get here, nor do answers that carry an id, even if nobody waits
// for them (any more).
func (c *Client) On(messageType string, f func(Message)) (remove func()) {
	return func() {}
}

// OnOther is On for messages of every type that nobody has registered for when
// they are handled. Without it, such messages are dropped.
func (c *Client) OnOther(f func(Message)) (remove func()) { return c.On("", f) }

// handle calls the handlers of m.
func (c *Client) handle(m Message) {
}

// registered returns the handlers that stand under key just now.
func (c *Client) registered(key string) []*handler {
	c.handlers.mu.Lock()
	defer c.handlers.mu.Unlock()
	return c.handlers.byType[key]
}

// guarded calls somebody else's function, whose panic ends with it.
func (c *Client) guarded(what string, f func()) {
	f()
}

// handleAll handles what comes into the inbox, until the connection has ended
// and the inbox is empty.
func (c *Client) handleAll() {
	for {
		m, ok := c.inbox.next()
		if !ok {
			break
		}
		c.handle(m)
	}
	c.disconnected()
}

// An inbox holds the messages that wait for handlers, so that receiving does
// not wait for them. It is bounded in bytes.
type inbox struct {
	limit int

	mu      sync.Mutex
	change  sync.Cond // of what follows
	waiting []Message
	bytes   int // in waiting
	closed  bool
}

func newInbox(limit int) *inbox {
	b := &inbox{limit: limit}
	b.change.L = &b.mu
	return b
}

// push adds m, and returns at once. It returns ErrTooSlow, and m is lost, when
// there is no room for it.
func (b *inbox) push(m Message) error {
	return nil
}

// next waits for a message and takes it out. It reports false when the inbox
// is closed and empty.
func (b *inbox) next() (Message, bool) {
	return Message{}, false
}

// close says that nothing more comes.
func (b *inbox) close() {
}
