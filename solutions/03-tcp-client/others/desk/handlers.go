package tcpclient

import (
	"runtime/debug"
	"slices"
	"sync"
	"sync/atomic"
)

// handlers has what is to be called for messages of each type; that for
// messages of any other type stands under "". Lists are never changed, only
// replaced.
type handlers struct {
	mu     sync.Mutex
	byType map[string][]*handler
}

// change lets f put other lists in the place of some.
func (h *handlers) change(f func(byType map[string][]*handler)) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.byType == nil {
		h.byType = map[string][]*handler{}
	}
	f(h.byType)
}

// A handler is one registration. Its address tells it from another one of the
// same function.
type handler struct {
	call func(Message)
	gone atomic.Bool
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
	c.handlers.change(func(byType map[string][]*handler) {
		byType[messageType] = append(slices.Clone(byType[messageType]), h)
	})
	return func() {
		h.gone.Store(true)
		c.handlers.change(func(byType map[string][]*handler) {
			byType[messageType] = slices.DeleteFunc(slices.Clone(byType[messageType]), func(other *handler) bool { return other == h })
		})
	}
}

// OnOther is On for messages of every type that nobody has registered for when
// they are handled. Without it, such messages are dropped.
func (c *Client) OnOther(f func(Message)) (remove func()) { return c.On("", f) }

// handle calls the handlers of m.
func (c *Client) handle(m Message) {
	list := c.registered(m.Type)
	if len(list) == 0 {
		list = c.registered("")
	}
	for _, h := range list {
		if !h.gone.Load() {
			c.guarded("handler of "+m.Type, func() { h.call(m) })
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
			c.options.Logger.Error("panic in "+what, "panic", p, "stack", string(debug.Stack()))
		}
	}()
	f()
}

// handleAll handles what comes into the inbox, until the connection has ended
// and the inbox is empty.
func (c *Client) handleAll() {
	for m := range c.deliveries {
		c.handle(m)
	}
	c.disconnected()
}
