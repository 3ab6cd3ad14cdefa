package tcpserver

import (
	"crypto/rand"
	"errors"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// maxName is the number of characters of the longest name.
const maxName = 32

// ValidName tells whether name is one that a user can have: 1 to 32 letters,
// digits, "_", "-" and ".", of any script.
func ValidName(name string) bool {
	if n := utf8.RuneCountInString(name); n < 1 || n > maxName {
		return false
	}
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '-' && r != '.' {
			return false
		}
	}
	return true
}

// login lets the client in under the name that it asks for. A login that is
// refused leaves everything as it was: the client may try again.
func (c *session) login(req Request) {
	refuse := func(code, message string) {
		c.send(loginResponse{Type: "login_response", ID: req.ID, Code: code, Message: message})
	}
	if c.name != "" {
		refuse(CodeAlreadyLoggedIn, "this connection is logged in already")
		return
	}
	if !ValidName(req.Username) {
		refuse(CodeBadName, "a name is 1 to 32 letters, digits, _, - or .")
		return
	}
	if err := c.server.authenticate(req); err != nil {
		c.server.logger().Info("login denied", "user", req.Username, "password", req.Password, "err", err)
		refuse(CodeDenied, "wrong name or password")
		return
	}
	joined := c.server.room.join(req.Username, c, func(users []string) []byte {
		return frameOf(loginResponse{Type: "login_response", ID: req.ID, Success: true,
			Message: fmt.Sprintf("welcome, %s", req.Username), UserID: rand.Text(), Users: users[:min(len(users), maxUsers)]})
	})
	if !joined {
		refuse(CodeNameTaken, "somebody else is here under that name")
		return
	}
	c.server.logger().Info("logged in", "user", c.name, "remote", c.conn.RemoteAddr().String())
}

var errNoPassword = errors.New("empty password")

// authenticate asks the server's Authenticate, without holding any lock: it
// may be slow.
func (s *Server) authenticate(req Request) error {
	if s.Authenticate != nil {
		return s.Authenticate(req.Username, string(req.Password))
	}
	if req.Password == "" {
		return errNoPassword
	}
	return nil
}

// chat says something to everybody else. Who says it is who logged in on this
// connection, whatever name the message may carry.
func (c *session) chat(req Request) {
	switch {
	case c.name == "":
		c.send(errorMessage{Type: "error", ID: req.ID, Code: CodeNotLoggedIn, Message: "log in first"})
	case req.Content == "":
		c.send(errorMessage{Type: "error", ID: req.ID, Code: CodeEmptyContent, Message: "content is empty"})
	default:
		c.server.room.say(c, req)
	}
}
