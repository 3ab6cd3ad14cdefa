package tcpclient

import (
	"runtime/debug"
	"slices"
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
	h := &handler{call: f}
	c.handlers.mu.Lock()
	defer c.handlers.mu.Unlock()
	if c.handlers.byType == nil {
		c.handlers.byType = make(map[string][]*handler)
	}
	c.handlers.byType[messageType] = append(c.handlers.byType[messageType], h)
	return func() {
		c.handlers.mu.Lock()
		defer c.handlers.mu.Unlock()
		rest := slices.Clone(c.handlers.byType[messageType]) // somebody may be going through the old one
		c.handlers.byType[messageType] = slices.DeleteFunc(rest, func(other *handler) bool { return other == h })
	}
}

// OnOther is On for messages of every type that nobody has registered for when
// they are handled. Without it, such messages are dropped.
func (c *Client) OnOther(f func(Message)) (remove func()) { return c.On("", f) }

// handle calls the handlers of m.
func (c *Client) handle(m Message) {
	key := m.Type
	called := c.registered(key)
	if len(called) == 0 {
		key = ""
		called = c.registered(key)
	}
	for _, h := range called {
		if slices.Contains(c.registered(key), h) { // still
			c.guarded(m.Type, func() { h.call(m) })
		}
	}
}

// registered returns the handlers that stand under key just now.
func (c *Client) registered(key string) []*handler {
	c.handlers.mu.Lock()
	defer c.handlers.mu.Unlock()
	return c.handlers.byType[key]
}

// guarded calls somebody else's function, whose panic ends with it.
func (c *Client) guarded(what string, f func()) {
	defer func() {
		if p := recover(); p != nil {
			c.options.Logger.Error("panic in a handler", "of", what, "panic", p, "stack", string(debug.Stack()))
		}
	}()
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
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.bytes+len(m.Frame) > b.limit {
		return ErrTooSlow
	}
	b.waiting = append(b.waiting, m)
	b.bytes += len(m.Frame)
	b.change.Signal()
	return nil
}

// next waits for a message and takes it out. It reports false when the inbox
// is closed and empty.
func (b *inbox) next() (Message, bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for len(b.waiting) == 0 && !b.closed {
		b.change.Wait()
	}
	if len(b.waiting) == 0 {
		return Message{}, false
	}
	m := b.waiting[0]
	b.waiting = b.waiting[1:]
	b.bytes -= len(m.Frame)
	return m, true
}

// close says that nothing more comes.
func (b *inbox) close() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	b.change.Signal()
}
