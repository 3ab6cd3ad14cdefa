package robustclient

import (
	"context"
	"crypto/rand"
	"errors"
	"time"
)

// DefaultReplyTimeout is how long a Session waits for a reply before it asks
// again.
const DefaultReplyTimeout = 5 * time.Second

// A Session asks a server for things, over as many connections as it takes. A
// request is sent again when its reply does not come, under the same name, so
// that a server that remembers what it has done (Replies) does it once.
type Session struct {
	// Client makes the connections; it belongs to the session.
	Client *Client
	// ReplyTimeout is how long to wait for one reply, from before the request is
	// sent; 0 is DefaultReplyTimeout.
	ReplyTimeout time.Duration

	name  string
	doing turn
	seq   uint64 // of the last request; only for who has the turn of doing
}

// NewSession is a session with a name that nobody else has.
func NewSession(c *Client) *Session {
	return &Session{Client: c, name: rand.Text(), doing: newTurn()}
}

// Do asks for something and returns the body of the reply.
//
// If the connection is lost on the way, or a reply makes no sense, or none comes
// within ReplyTimeout, Do drops the connection, waits as long as Client.Backoff says
// (longer each time that this request fails), connects again, and sends the
// same request again, until ctx ends or Connect gives up; then the error is
// theirs, and whether the request took effect is unknown.
//
// Calls are done one after the other. What comes in reply to another request is
// passed over.
func (s *Session) Do(ctx context.Context, body string) (string, error) {
	return "", errors.New("Do: not implemented yet (labs/06-robust-client/README.md#7-session)")
}

// exchange sends the request over the present connection and waits for its
// reply, for ReplyTimeout in all.
func (s *Session) exchange(ctx context.Context, request Request) (string, error) {
	return "", errors.New("exchange: not implemented yet (labs/06-robust-client/README.md#7-session)")
}

func (s *Session) replyTimeout() time.Duration {
	if s.ReplyTimeout == 0 {
		return DefaultReplyTimeout
	}
	return s.ReplyTimeout
}
