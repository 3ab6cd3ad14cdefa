package tcpclient

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math"
	"time"
)

// Types of messages; docs/protocol.md says what each is for.
const (
	// From client to server.
	TypeLogin  = "login"
	TypeChat   = "chat"
	TypeLogout = "logout"

	// From server to client.
	TypeLoginResponse  = "login_response"
	TypeChatResponse   = "chat_response"
	TypeLogoutResponse = "logout_response"
	TypeChatMessage    = "chat_message"
	TypeJoined         = "joined"
	TypeLeft           = "left"
	TypeError          = "error"

	// Both ways: a ping is answered with a pong.
	TypePing = "ping"
	TypePong = "pong"
)

// Codes of errors after which the server ends the connection; docs/protocol.md
// has the others too.
const (
	CodeTooLong    = "too_long"
	CodeNotUTF8    = "not_utf8"
	CodeServerFull = "server_full"
	CodeTimeout    = "timeout"
	CodeShutdown   = "shutdown"
)

// A Request is a message to the server. Which fields count depends on its type.
type Request struct {
	Type     string
	ID       json.RawMessage // a JSON string or number, which the answer returns; nil is none
	Username string          // login
	Password Secret          // login
	Content  string          // chat
}

// Encode returns r as the payload of a frame: JSON without a line feed. It
// holds the password in clear, so it is for the connection and for nobody
// else.
func (r Request) Encode() ([]byte, error) {
	type header struct {
		Type string          `json:"type"`
		ID   json.RawMessage `json:"id,omitempty"`
	}
	type login struct {
		header
		Username string `json:"username"`
		Password Secret `json:"password"`
	}
	type chat struct {
		header
		Content string `json:"content"`
	}
	var message any
	switch head := (header{r.Type, r.ID}); r.Type {
	case TypeLogin:
		message = login{head, r.Username, r.Password}
	case TypeChat:
		message = chat{head, r.Content}
	default:
		message = head
	}
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false) // nobody here is a web page: < may stay <
	if err := enc.Encode(message); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// LogValue implements slog.LogValuer: a log gets to see what kind of request it
// is, and nothing that somebody typed.
func (r Request) LogValue() slog.Value {
	return slog.GroupValue(slog.String("type", r.Type), slog.String("id", string(r.ID)))
}

// A Secret is text that only the connection may see.
type Secret string

// LogValue implements slog.LogValuer.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// Format implements fmt.Formatter, so that no verb prints the text.
func (Secret) Format(f fmt.State, _ rune) { io.WriteString(f, "[secret]") }

// A Message is a message from the server. Fields that it does not have are
// zero.
type Message struct {
	Type      string
	ID        string    // of the request that it answers, as it stands in the JSON; "" if there is none
	Success   bool      // login_response, chat_response, logout_response
	Code      string    // error, and responses without success: why, for programs
	Text      string    // the field "message": for people
	UserID    string    // login_response; opaque
	Users     []string  // login_response: who is there
	Seq       uint64    // chat_message, chat_response: 1, 2, 3, … in the room's order
	Username  string    // chat_message, joined, left
	Content   string    // chat_message
	Timestamp time.Time // chat_message

	Frame []byte // the whole message, as it came
}

// ErrBadMessage reports a frame that is not a message. The frame was whole, so
// the next one is a new start.
var ErrBadMessage = errors.New("bad message")

// ParseMessage reads a frame as a message. A frame that is none gives an error
// that wraps ErrBadMessage: it is not one JSON object, a key comes twice, there
// is no type, or a field has the wrong type. Fields that nobody asked for are
// ignored, so that servers newer than the client can talk to it.
//
// The message keeps frame, so the caller must not change it afterwards.
func ParseMessage(frame []byte) (Message, error) {
	fields, err := objectFields(frame)
	if err != nil {
		return Message{}, fmt.Errorf("%w: %w", ErrBadMessage, err)
	}
	m := Message{Frame: frame}
	if id := string(fields["id"]); id != "null" {
		m.ID = id
	}
	var seconds float64
	for key, target := range map[string]any{
		"type": &m.Type, "success": &m.Success, "code": &m.Code, "message": &m.Text,
		"user_id": &m.UserID, "users": &m.Users, "seq": &m.Seq,
		"username": &m.Username, "content": &m.Content, "timestamp": &seconds,
	} {
		raw, present := fields[key]
		if !present {
			continue
		}
		if err := json.Unmarshal(raw, target); err != nil || string(raw) == "null" {
			return Message{}, fmt.Errorf("%w: %s is %.40q", ErrBadMessage, key, raw)
		}
	}
	if m.Type == "" {
		return Message{}, fmt.Errorf("%w: it has no type", ErrBadMessage)
	}
	if math.Abs(seconds) > 1<<40 { // tens of thousands of years: package time cannot count so far
		return Message{}, fmt.Errorf("%w: timestamp is %g", ErrBadMessage, seconds)
	}
	if _, present := fields["timestamp"]; present {
		m.Timestamp = time.UnixMicro(int64(seconds * 1e6))
	}
	return m, nil
}

// Err is what the server refuses: a *ServerError for an error, and for a
// response without success; nil for every other message.
func (m Message) Err() error {
	switch m.Type {
	case TypeError:
	case TypeLoginResponse, TypeChatResponse, TypeLogoutResponse:
		if m.Success {
			return nil
		}
	default:
		return nil
	}
	return &ServerError{Code: m.Code, Message: m.Text}
}

// A ServerError is what the server says that it will not do.
type ServerError struct {
	Code    string // for programs; docs/protocol.md lists them
	Message string // for people
}

// Error implements error.
func (e *ServerError) Error() string {
	return fmt.Sprintf("the server says: %s (%s)", e.Message, e.Code)
}

// Ends tells whether the server ends the connection after this error.
func (e *ServerError) Ends() bool {
	switch e.Code {
	case CodeTooLong, CodeNotUTF8, CodeServerFull, CodeTimeout, CodeShutdown:
		return true
	}
	return false
}

// objectFields splits one JSON object into its members. encoding/json into a
// struct would match keys whatever their case and let the last of two equal
// keys win; here both are errors.
func objectFields(frame []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(frame))
	if open, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	} else if open != json.Delim('{') {
		return nil, errors.New("not an object")
	}
	fields := make(map[string]json.RawMessage)
	for dec.More() {
		key, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		name := key.(string) // the decoder lets nothing else stand where a key stands
		if _, twice := fields[name]; twice {
			return nil, fmt.Errorf("key %.40q comes twice", name)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return nil, fmt.Errorf("not JSON: %w", err)
		}
		fields[name] = value
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, errors.New("something follows the object")
	}
	return fields, nil
}
