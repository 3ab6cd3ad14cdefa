package tcpserver

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
)

// ParseRequest reads a frame as a request. A frame that is not one gives a
// *RequestError that says why, with the request's id wherever that could be
// read:
//
//   - CodeBadJSON: not one JSON object, or a key that comes twice (two readers
//     would not agree on what it says)
//   - CodeBadField: a field of the wrong type, e.g. a number for "content", or
//     an id of more than maxID bytes
//   - CodeMissingField: no "type", or no field that the type needs: username
//     and password of a login, content of a chat
//   - CodeUnknownType: a type that no client sends
//
// A message of such an error quotes at most a few words of the request, so that
// it always fits into a frame. Keys are compared exactly: "Type" is not "type". Fields that nobody asked
// for are ignored, so that clients newer than the server can talk to it.
func ParseRequest(frame []byte) (Request, error) {
	fields, err := objectFields(frame)
	if err != nil {
		return Request{}, &RequestError{Code: CodeBadJSON, Message: err.Error()}
	}
	req := Request{ID: fields["id"]}
	fail := func(code, format string, args ...any) (Request, error) {
		return Request{}, &RequestError{Code: code, Message: fmt.Sprintf(format, args...), ID: req.ID}
	}
	if len(req.ID) > 0 && bytes.IndexByte([]byte(`"-0123456789`), req.ID[0]) < 0 {
		req.ID = nil // an answer cannot return what no id may be
		return fail(CodeBadField, "id must be a string or a number")
	}
	if len(req.ID) > maxID {
		req.ID = nil
		return fail(CodeBadField, "an id has at most %d bytes", maxID)
	}
	texts := make(map[string]string)
	for _, key := range []string{"type", "username", "password", "content"} {
		raw, present := fields[key]
		if !present {
			continue
		}
		var text *string // stays nil for null, which is no string either
		if err := json.Unmarshal(raw, &text); err != nil || text == nil {
			return fail(CodeBadField, "%s must be a string", key)
		}
		texts[key] = *text
	}
	if _, present := texts["type"]; !present {
		return fail(CodeMissingField, "a message needs a type")
	}
	needed, known := neededFields[texts["type"]]
	if !known {
		return fail(CodeUnknownType, "type %.40q is not known", texts["type"])
	}
	for _, key := range needed {
		if _, present := texts[key]; !present {
			return fail(CodeMissingField, "%s needs a %s", texts["type"], key)
		}
	}
	req.Type, req.Username, req.Password, req.Content =
		texts["type"], texts["username"], Secret(texts["password"]), texts["content"]
	return req, nil
}

// neededFields has the types that clients send, and which fields each needs.
var neededFields = map[string][]string{
	TypeLogin:  {"username", "password"},
	TypeChat:   {"content"},
	TypeLogout: nil,
	TypePing:   nil,
	TypePong:   nil,
}

// objectFields splits one JSON object into its members. encoding/json into a
// struct would match keys whatever their case and let the last of two equal
// keys win; here both would let a message say two things.
func objectFields(frame []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(frame))
	if open, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("not JSON: %w", err)
	} else if open != json.Delim('{') {
		return nil, fmt.Errorf("a message is a JSON object")
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
		return nil, fmt.Errorf("something follows the object")
	}
	return fields, nil
}
