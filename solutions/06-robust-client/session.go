package robustclient

import (
	"context"
	"crypto/rand"
	"encoding/json"
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
	if err := s.doing.take(ctx); err != nil {
		return "", err
	}
	defer s.doing.give()
	s.seq++
	request := Request{Session: s.name, Seq: s.seq, Body: body}
	var last time.Duration
	for failures := 1; ; failures++ {
		if !s.Client.Connected() {
			if err := s.Client.Connect(ctx); err != nil {
				return "", err
			}
		}
		reply, err := s.exchange(ctx, request)
		if err == nil {
			return reply, nil
		}
		s.Client.Drop() // who knows what is still on its way here
		last = s.Client.Backoff.Next(failures, last)
		if err := wait(ctx, last); err != nil {
			return "", err
		}
	}
}

// exchange sends the request over the present connection and waits for its
// reply, for ReplyTimeout in all.
func (s *Session) exchange(ctx context.Context, request Request) (string, error) {
	ctx, cancel := context.WithTimeout(ctx, s.replyTimeout())
	defer cancel()
	if _, err := s.Client.SendAll(ctx, encodeLine(request)); err != nil {
		return "", err
	}
	for {
		line, err := s.Client.Receive(ctx, 0, 0)
		if err != nil {
			return "", err
		}
		var reply Reply
		if err := json.Unmarshal(line, &reply); err != nil {
			return "", err
		}
		if reply.Seq == request.Seq {
			return reply.Body, nil
		}
	}
}

func (s *Session) replyTimeout() time.Duration {
	if s.ReplyTimeout == 0 {
		return DefaultReplyTimeout
	}
	return s.ReplyTimeout
}
