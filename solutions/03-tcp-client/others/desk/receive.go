package tcpclient

import (
	"bytes"
	"errors"
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
	dec := NewDecoder(r)
	var announced error
	for {
		frame, err := dec.Next()
		if err != nil {
			return errors.Join(err, announced)
		}
		m, err := ParseMessage(bytes.Clone(frame))
		if err != nil {
			bad(frame, err)
			continue
		}
		var se *ServerError
		if errors.As(m.Err(), &se) && se.Ends() && m.ID == "" {
			announced = se
		} else {
			announced = nil
		}
		deliver(m)
	}
}
