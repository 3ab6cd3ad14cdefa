package robustclient

import "encoding/json"

// A Request is what a Session sends, one JSON object a line. Session and Seq
// together name it: who gets the same name twice has got the same request
// twice.
type Request struct {
	Session string `json:"session"` // names the session; nobody else has the same
	Seq     uint64 `json:"seq"`     // 1 for its first request, then 2, 3, …
	Body    string `json:"body"`
}

// A Reply is what the server answers to a Request, one JSON object a line.
type Reply struct {
	Seq  uint64 `json:"seq"` // that of the request
	Body string `json:"body"`
}

// encodeLine is v as a line.
func encodeLine(v any) []byte {
	line, err := json.Marshal(v)
	if err != nil {
		panic(err) // strings and numbers always can be encoded
	}
	return append(line, '\n')
}
