package tcpserver

import (
	"errors"
)

// maxName is the number of characters of the longest name.
const maxName = 32

// ValidName tells whether name is one that a user can have: 1 to 32 letters,
// digits, "_", "-" and ".", of any script.
func ValidName(name string) bool {
	return false
}

// login lets the client in under the name that it asks for. A login that is
// refused leaves everything as it was: the client may try again.
func (c *session) login(req Request) {
	c.send(errorMessage{Type: "error", ID: req.ID, Code: "not_implemented",
		Message: "login: not implemented yet (labs/02-tcp-server/README.md#4-log-in-and-register)"})
}

// authenticate asks the server's Authenticate, without holding any lock: it
// may be slow.
func (s *Server) authenticate(req Request) error {
	return errors.New("authenticate: not implemented yet (labs/02-tcp-server/README.md#4-log-in-and-register)")
}

// chat says something to everybody else. Who says it is who logged in on this
// connection, whatever name the message may carry.
func (c *session) chat(req Request) {
	c.send(errorMessage{Type: "error", ID: req.ID, Code: "not_implemented",
		Message: "chat: not implemented yet (labs/02-tcp-server/README.md#4-log-in-and-register)"})
}
