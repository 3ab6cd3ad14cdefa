package tcpclient

import (
	"bytes"
	"errors"
	"fmt"
	"io"
)

// Receive reads messages from r until the stream ends, and hands each to
// deliver, in the order in which they came. A message stays as it is whatever
// comes after it.
//
// A frame that is no message goes to bad, with what is wrong with it, and
// Receive goes on: a bad message is not a bad connection. A broken frame, which
// is one after which nobody can tell where the next begins, is the end.
//
// Receive returns why the stream ended: io.EOF when it did between two frames,
// io.ErrUnexpectedEOF within one, ErrFrameTooLong and ErrNotUTF8 for a broken
// frame, or what reading failed with. When the last that the server said was an
// error after which it ends the connection (ServerError.Ends), and which
// answers no request, that error is in it too, for errors.As.
func Receive(r io.Reader, deliver func(Message), bad func(frame []byte, err error)) error {
	frames := NewDecoder(r)
	var lastWords *ServerError
	for {
		frame, err := frames.Next()
		if err != nil && lastWords != nil {
			return fmt.Errorf("%w: %w", lastWords, err)
		}
		if err != nil {
			return err
		}
		lastWords = nil
		m, err := ParseMessage(bytes.Clone(frame)) // the next frame takes the place of this one
		if err != nil {
			bad(frame, err)
			continue
		}
		if said := (*ServerError)(nil); errors.As(m.Err(), &said) && said.Ends() && m.ID == "" {
			lastWords = said
		}
		deliver(m)
	}
}
