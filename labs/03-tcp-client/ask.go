package tcpclient

import (
	"context"
	"errors"
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
	return Message{}, errors.New("Ask: not implemented yet (labs/03-tcp-client/README.md#6-request-and-reply)")
}

// answered gives m to whoever waits for it, and reports whether it was an
// answer at all. One that nobody waits for any more is dropped.
func (c *Client) answered(m Message) bool {
	return false
}

// Login logs in under a name, and returns the server's welcome. A refusal is a
// *ServerError; the client may try again.
func (c *Client) Login(ctx context.Context, username string, password Secret) (Message, error) {
	return Message{}, errors.New("Login: not implemented yet (labs/03-tcp-client/README.md#6-request-and-reply)")
}

// Chat says something to everybody else, and returns its number in the room
// once the server has confirmed it. After an error that is no *ServerError
// nobody knows whether it was said.
func (c *Client) Chat(ctx context.Context, content string) (seq uint64, err error) {
	return 0, errors.New("Chat: not implemented yet (labs/03-tcp-client/README.md#6-request-and-reply)")
}
