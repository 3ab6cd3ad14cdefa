// Package wire holds a conversation: what went over sockets between named
// participants, event by event. It draws it as a ladder that a person reads
// from top to bottom.
//
// A conversation is recorded while it happens, from as many goroutines as take
// part in it, and drawn afterwards. An event keeps both what a reader is shown
// (Text) and what was on the wire (Bytes), so that other drawings and capture
// files can be made from the same record.
package wire

import (
	"slices"
	"sync"
	"time"
)

// Kind says what sort of event it was.
type Kind int

// The kinds of event.
const (
	Send    Kind = iota + 1 // From wrote bytes to To, seen where they were written
	Receive                 // From's bytes reached To, seen where they were read
	FIN                     // From said that it writes nothing more
	RST                     // From threw the connection away
	Note                    // nothing on the wire: something that a reader should know about From, or about From and To
)

// Event is one thing that happened in a conversation.
type Event struct {
	When  time.Time
	From  string // the participant that acted
	To    string // the participant at the other end; may be empty in a Note
	Kind  Kind
	Text  string // what a reader is shown, one line
	Bytes []byte // what was on the wire, when there was something
	Mark  string // what was expected instead; set only on the event that broke the law
}

// Conversation is a record of events. The zero value is an empty conversation,
// ready to use, also by several goroutines at once.
type Conversation struct {
	mu     sync.Mutex
	order  []string
	events []Event
}

// Join says in which order participants are drawn. Those that are not named
// follow in the order in which they appear; one that does nothing is not drawn.
func (c *Conversation) Join(names ...string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, name := range names {
		if !slices.Contains(c.order, name) {
			c.order = append(c.order, name)
		}
	}
}

// joined returns the names given to Join.
func (c *Conversation) joined() []string {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.order)
}

// Add records an event. An event without a time gets the present one. The
// bytes are copied.
func (c *Conversation) Add(e Event) {
	if e.When.IsZero() {
		e.When = time.Now()
	}
	e.Bytes = slices.Clone(e.Bytes)

	c.mu.Lock()
	defer c.mu.Unlock()
	c.events = append(c.events, e)
}

// Events returns a copy of the record, in the order in which it was made.
func (c *Conversation) Events() []Event {
	c.mu.Lock()
	defer c.mu.Unlock()
	return slices.Clone(c.events)
}
