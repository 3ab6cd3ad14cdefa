package tcpserver

import (
	"bytes"
	"encoding/json"
	"log/slog"
)

// Types of the messages that clients send.
const (
	TypeLogin  = "login"
	TypeChat   = "chat"
	TypeLogout = "logout"
	TypePing   = "ping" // answered with a pong
	TypePong   = "pong" // the answer to the server's ping; not answered itself
)

// Codes of errors, for programs to act on; the messages beside them are for
// people. docs/protocol.md lists when each is sent.
const (
	CodeBadJSON      = "bad_json"
	CodeBadField     = "bad_field"
	CodeMissingField = "missing_field"
	CodeUnknownType  = "unknown_type"
	CodeNotLoggedIn  = "not_logged_in"
	CodeEmptyContent = "empty_content"
	CodeTooLong      = "too_long"
	CodeNotUTF8      = "not_utf8"
	CodeServerFull   = "server_full"
	CodeTimeout      = "timeout"
	CodeShutdown     = "shutdown"

	// In a login_response that refuses.
	CodeBadName         = "bad_name"
	CodeNameTaken       = "name_taken"
	CodeDenied          = "denied"
	CodeAlreadyLoggedIn = "already_logged_in"
)

// maxID is the size in bytes of the longest id, quotes included: every answer
// repeats it.
const maxID = 128

// maxUsers is how many names a welcome lists at most, so that it fits into a
// frame.
const maxUsers = 250

// A Request is a message from a client.
type Request struct {
	Type     string
	ID       json.RawMessage // a JSON string or number that the answer returns; nil if there is none
	Username string
	Password Secret
	Content  string
}

// A Secret is text that no log may show.
type Secret string

// LogValue implements slog.LogValuer, so that a log that is handed a Secret
// shows only that there is one.
func (Secret) LogValue() slog.Value { return slog.StringValue("[secret]") }

// A RequestError says what is wrong with a request. It concerns that request
// alone: the connection goes on.
type RequestError struct {
	Code    string
	Message string
	ID      json.RawMessage // of the request, if that could be read
}

// Error implements error.
func (e *RequestError) Error() string { return e.Code + ": " + e.Message }

// The messages that the server sends. The field order is the order on the wire.
type (
	loginResponse struct {
		Type    string          `json:"type"` // login_response
		ID      json.RawMessage `json:"id,omitempty"`
		Success bool            `json:"success"`
		Code    string          `json:"code,omitempty"` // why not, when Success is false
		Message string          `json:"message"`
		UserID  string          `json:"user_id,omitempty"` // opaque
		Users   []string        `json:"users,omitempty"`   // the first maxUsers of those who are there, sorted
	}
	logoutResponse struct {
		Type    string          `json:"type"` // logout_response
		ID      json.RawMessage `json:"id,omitempty"`
		Success bool            `json:"success"`
		Message string          `json:"message"`
	}
	chatMessage struct {
		Type      string  `json:"type"` // chat_message
		Seq       uint64  `json:"seq"`  // 1, 2, 3, … in the order that everybody sees
		Username  string  `json:"username"`
		Content   string  `json:"content"`
		Timestamp float64 `json:"timestamp"` // Unix seconds, with a fraction
	}
	chatResponse struct {
		Type    string          `json:"type"` // chat_response
		ID      json.RawMessage `json:"id"`
		Success bool            `json:"success"`
		Seq     uint64          `json:"seq"`
	}
	presence struct {
		Type     string `json:"type"` // joined or left
		Username string `json:"username"`
	}
	errorMessage struct {
		Type    string          `json:"type"` // error
		ID      json.RawMessage `json:"id,omitempty"`
		Code    string          `json:"code"`
		Message string          `json:"message"`
	}
	signal struct {
		Type string          `json:"type"` // ping or pong
		ID   json.RawMessage `json:"id,omitempty"`
	}
)

// encode returns message as JSON without a line feed. Text stays as it is:
// json.Marshal alone would write <, > and & as \u003c and so on, for the sake
// of web pages that nobody here has.
func encode(message any) []byte {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(message); err != nil {
		panic(err) // the types above always have a JSON form
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}
