package tcpserver

import (
	"encoding/json"
	"errors"
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
	return Request{}, errors.New("ParseRequest: not implemented yet (labs/02-tcp-server/README.md#2-envelope)")
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
	return nil, errors.New("objectFields: not implemented yet (labs/02-tcp-server/README.md#2-envelope)")
}
