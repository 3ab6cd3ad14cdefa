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
//   - CodeBadField: a field of the wrong type, e.g. a number for "content"
//   - CodeMissingField: no "type", or no field that the type needs: username
//     and password of a login, content of a chat
//   - CodeUnknownType: a type that no client sends
//
// Keys are compared exactly: "Type" is not "type". Fields that nobody asked
// for are ignored, so that clients newer than the server can talk to it.
func ParseRequest(frame []byte) (Request, error) {
	fields, err := objectFields(frame)
	if err != nil {
		return Request{}, &RequestError{Code: CodeBadJSON, Message: err.Error()}
	}
	var req Request
	if id, ok := fields["id"]; ok {
		if id[0] != '"' && id[0] != '-' && (id[0] < '0' || id[0] > '9') {
			return Request{}, &RequestError{Code: CodeBadField, Message: "id must be a string or a number"}
		}
		if len(id) > maxID {
			return Request{}, &RequestError{Code: CodeBadField, Message: "id is too long"}
		}
		req.ID = id
	}
	refuse := func(code, format string, args ...any) (Request, error) {
		return Request{}, &RequestError{Code: code, Message: fmt.Sprintf(format, args...), ID: req.ID}
	}
	text := func(field string) (s string, ok bool) {
		raw := fields[field]
		if len(raw) == 0 || raw[0] != '"' {
			return "", false
		}
		return s, json.Unmarshal(raw, &s) == nil
	}
	if _, ok := fields["type"]; !ok {
		return refuse(CodeMissingField, "a message needs a type")
	}
	var ok bool
	if req.Type, ok = text("type"); !ok {
		return refuse(CodeBadField, "type must be a string")
	}
	var needed []struct {
		name string
		to   *string
	}
	need := func(name string, to *string) {
		needed = append(needed, struct {
			name string
			to   *string
		}{name, to})
	}
	switch req.Type {
	case TypeLogin:
		need("username", &req.Username)
		need("password", (*string)(&req.Password))
	case TypeChat:
		need("content", &req.Content)
	case TypeLogout, TypePing, TypePong:
	default:
		return refuse(CodeUnknownType, "no client sends a message of the type %.40q", req.Type)
	}
	for _, f := range needed {
		if _, ok := fields[f.name]; !ok {
			return refuse(CodeMissingField, "a %s needs a %s", req.Type, f.name)
		}
		if *f.to, ok = text(f.name); !ok {
			return refuse(CodeBadField, "%s must be a string", f.name)
		}
	}
	return req, nil
}

// objectFields splits one JSON object into its members, each key once.
func objectFields(frame []byte) (map[string]json.RawMessage, error) {
	dec := json.NewDecoder(bytes.NewReader(frame))
	if t, err := dec.Token(); err != nil || t != json.Delim('{') {
		return nil, fmt.Errorf("not a JSON object")
	}
	fields := make(map[string]json.RawMessage)
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return nil, fmt.Errorf("not a JSON object: %w", err)
		}
		key, ok := t.(string)
		if !ok {
			return nil, fmt.Errorf("not a JSON object: a key that is no string")
		}
		var raw json.RawMessage
		if err := dec.Decode(&raw); err != nil {
			return nil, fmt.Errorf("not a JSON object: %w", err)
		}
		if _, twice := fields[key]; twice {
			return nil, fmt.Errorf("the key %.40q comes twice", key)
		}
		fields[key] = raw
	}
	if _, err := dec.Token(); err != nil {
		return nil, fmt.Errorf("not a JSON object: %w", err)
	}
	if _, err := dec.Token(); err != io.EOF {
		return nil, fmt.Errorf("something follows the JSON object")
	}
	return fields, nil
}
