package fanload

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"strconv"
)

// Protocol is what the load must know of a server's language. All of them are
// lines, and all of them deliver a body as it was spoken, so the rest of the
// load is the same for every server.
type Protocol interface {
	// Join makes the connection a client that gets everything the sender says.
	Join(w io.Writer, r *bufio.Reader, name string) error
	// AppendMessage appends the frame that says body to everybody.
	AppendMessage(frame, body []byte) []byte
	// Answer returns what must be replied to a line that is no message, or nil.
	Answer(line []byte) []byte
}

// Chat is the workbook's chat protocol (docs/protocol.md).
type Chat struct {
	// Acknowledged gives every message an id, so that the server also has to
	// answer its sender.
	Acknowledged bool
}

// Join logs in.
func (Chat) Join(w io.Writer, r *bufio.Reader, name string) error {
	if _, err := fmt.Fprintf(w, `{"type":"login","username":"%s","password":"fanload"}`+"\n", name); err != nil {
		return err
	}
	answer, err := lineWith(r, `"login_response"`)
	if err == nil && !bytes.Contains(answer, []byte(`"success":true`)) {
		err = fmt.Errorf("login refused: %s", bytes.TrimSpace(answer))
	}
	return err
}

// AppendMessage appends a chat frame.
func (p Chat) AppendMessage(frame, body []byte) []byte {
	frame = append(frame, `{"type":"chat",`...)
	if p.Acknowledged {
		frame = append(frame, `"id":1,`...)
	}
	frame = append(frame, `"content":"`...)
	frame = append(frame, body...)
	return append(frame, '"', '}', '\n')
}

// Answer returns nil: the protocol asks nothing of its clients.
func (Chat) Answer([]byte) []byte { return nil }

// NATS is the core protocol of nats-server.
type NATS struct{}

// Join subscribes, and waits until the server has taken note of it.
func (NATS) Join(w io.Writer, r *bufio.Reader, name string) error {
	if _, err := lineWith(r, "INFO"); err != nil {
		return err
	}
	hello := `CONNECT {"verbose":false,"pedantic":false,"echo":false,"lang":"go","version":"1","name":"` + name + "\"}\r\n"
	if name != "speaker" {
		hello += "SUB fan 1\r\n"
	}
	if _, err := io.WriteString(w, hello+"PING\r\n"); err != nil {
		return err
	}
	_, err := lineWith(r, "PONG")
	return err
}

// AppendMessage appends a PUB frame.
func (NATS) AppendMessage(frame, body []byte) []byte {
	frame = append(frame, "PUB fan "...)
	frame = strconv.AppendInt(frame, int64(len(body)), 10)
	frame = append(frame, '\r', '\n')
	frame = append(frame, body...)
	return append(frame, '\r', '\n')
}

// Answer keeps the connection alive.
func (NATS) Answer(line []byte) []byte {
	if bytes.HasPrefix(line, []byte("PING")) {
		return []byte("PONG\r\n")
	}
	return nil
}

// IRC is as much of RFC 1459 as it takes to talk in one channel.
type IRC struct{}

// Join registers and enters the channel.
func (IRC) Join(w io.Writer, r *bufio.Reader, name string) error {
	if _, err := fmt.Fprintf(w, "NICK %s\r\nUSER %s 0 * :fanload\r\n", name, name); err != nil {
		return err
	}
	if _, err := lineWith(r, " 001 "); err != nil {
		return err
	}
	if _, err := io.WriteString(w, "JOIN #fan\r\n"); err != nil {
		return err
	}
	_, err := lineWith(r, " 366 ") // end of the list of names
	return err
}

// AppendMessage appends a PRIVMSG to the channel.
func (IRC) AppendMessage(frame, body []byte) []byte {
	frame = append(frame, "PRIVMSG #fan :"...)
	frame = append(frame, body...)
	return append(frame, '\r', '\n')
}

// Answer keeps the connection alive.
func (IRC) Answer(line []byte) []byte {
	if bytes.HasPrefix(line, []byte("PING")) {
		return append([]byte("PONG"), line[len("PING"):]...)
	}
	return nil
}

// Lines is the language of [Relay]: a line goes to everybody as it is.
type Lines struct{}

// Join introduces the client and waits for the relay to have heard it.
func (Lines) Join(w io.Writer, r *bufio.Reader, name string) error {
	if _, err := fmt.Fprintf(w, "%s\n", name); err != nil {
		return err
	}
	_, err := lineWith(r, name)
	return err
}

// AppendMessage appends the body as a line.
func (Lines) AppendMessage(frame, body []byte) []byte {
	return append(append(frame, body...), '\n')
}

// Answer returns nil: a relay asks nothing.
func (Lines) Answer([]byte) []byte { return nil }

// lineWith reads until a line contains want.
func lineWith(r *bufio.Reader, want string) ([]byte, error) {
	for {
		line, err := r.ReadSlice('\n')
		if err != nil {
			return nil, fmt.Errorf("waiting for %s: %w", want, err)
		}
		if bytes.Contains(line, []byte(want)) {
			return line, nil
		}
	}
}
