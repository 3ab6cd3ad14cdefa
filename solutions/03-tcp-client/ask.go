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
	id := strconv.FormatUint(c.lastID.Add(1), 10)
	r.ID = json.RawMessage(id)
	answer := make(chan Message, 1) // whoever answers does not wait for us
	c.mu.Lock()
	c.pending[id] = answer // before it is sent: the answer may be faster than we are
	c.mu.Unlock()
	defer func() {
		c.mu.Lock()
		defer c.mu.Unlock()
		delete(c.pending, id)
	}()

	err := send(ctx, r)
	if err != nil {
		return Message{}, err
	}
	select {
	case m := <-answer:
		return m, m.Err()
	case <-ctx.Done():
		err = ctx.Err()
	case <-c.done:
		err = c.Err()
	}
	select {
	case m := <-answer: // it came before that did
		return m, m.Err()
	default:
		return Message{}, err
	}
}

// answered gives m to whoever waits for it, and reports whether it was an
// answer at all. One that nobody waits for any more is dropped.
func (c *Client) answered(m Message) bool {
	switch m.Type {
	case TypeLoginResponse, TypeChatResponse, TypeLogoutResponse, TypePong, TypeError:
	default:
		return false
	}
	if m.ID == "" {
		return false
	}
	c.mu.Lock()
	answer := c.pending[m.ID]
	delete(c.pending, m.ID) // a second answer finds nobody
	c.mu.Unlock()
	if answer == nil {
		c.options.Logger.Debug("nobody waits for this answer", "type", m.Type, "id", m.ID)
		return true
	}
	answer <- m
	return true
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
