package tcpclient

import (
	"context"
	"encoding/json"
	"strconv"
)

// Ask sends r and waits for its answer: the response, pong or error that carries
// r's id, which Ask chooses so that no two requests of a client have the same.
// What the room says (chat_message, joined, left) is never an answer, whatever
// it carries. Many may ask at the same time; the server may answer in any order.
//
// An answer that refuses is returned together with its error, a *ServerError.
// The other errors are those of Send; ctx's, when the answer does not come in
// time (it does no harm when it comes after all); and Err's, when the
// connection ends first.
func (c *Client) Ask(ctx context.Context, r Request) (Message, error) {
	return c.ask(ctx, r, c.Send)
}

func (c *Client) ask(ctx context.Context, r Request, send func(context.Context, Request) error) (Message, error) {
	l := <-c.life
	c.life <- l
	if l.conn == nil {
		return Message{}, send(ctx, r) // which knows why not
	}
	id := strconv.FormatUint(c.lastID.Add(1), 10)
	r.ID = json.RawMessage(id)
	answer := make(chan Message, 1) // so that the desk need not wait for us
	c.tellDesk(question{id, answer})
	defer c.tellDesk(question{id, nil})
	failure := send(ctx, r)
	if failure == nil {
		select {
		case m := <-answer:
			return m, m.Err()
		case <-ctx.Done():
			failure = ctx.Err()
		case <-c.done:
			failure = c.cause
		}
	}
	select {
	case m := <-answer: // it was there before the trouble
		return m, m.Err()
	default:
		return Message{}, failure
	}
}

func (c *Client) tellDesk(q question) {
	select {
	case c.questions <- q:
	case <-c.done:
	}
}

// A question tells the desk who waits for the answer to a request; without
// answer, that nobody does any more.
type question struct {
	id     string
	answer chan<- Message
}

// isAnswer reports whether m answers a request of Ask, whoever waits for it.
func (c *Client) isAnswer(m Message) bool {
	switch m.Type {
	case TypeChatMessage, TypeJoined, TypeLeft, TypePing:
		return false
	}
	return m.ID != ""
}

// Login logs in under a name, and returns the server's welcome. A refusal is a
// *ServerError; the client may try again.
func (c *Client) Login(ctx context.Context, username string, password Secret) (Message, error) {
	return c.Ask(ctx, Request{Type: TypeLogin, Username: username, Password: password})
}

// Chat says something to everybody else, and returns its number in the room
// once the server has confirmed it. After an error that is no *ServerError
// nobody knows whether it was said.
func (c *Client) Chat(ctx context.Context, content string) (seq uint64, err error) {
	m, err := c.Ask(ctx, Request{Type: TypeChat, Content: content})
	return m.Seq, err
}
