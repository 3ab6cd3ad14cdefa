package tcpserver

import (
	"crypto/rand"
	"errors"
	"time"
	"unicode"
	"unicode/utf8"
)

// maxName is the number of characters of the longest name.
const maxName = 32

// ValidName tells whether name is one that a user can have: 1 to 32 letters,
// digits, "_", "-" and ".", of any script.
func ValidName(name string) bool {
	if name == "" || utf8.RuneCountInString(name) > maxName {
		return false
	}
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) && r != '_' && r != '-' && r != '.' {
			return false
		}
	}
	return true
}

// login lets the client in under the name that it asks for.
func (c *session) login(req Request) {
	refuse := func(code, message string) {
		c.answer(loginResponse{Type: "login_response", ID: req.ID, Code: code, Message: message})
	}
	if c.member {
		refuse(CodeAlreadyLoggedIn, "this connection has logged in already")
		return
	}
	if !ValidName(req.Username) {
		refuse(CodeBadName, "a name has 1 to 32 letters, digits, _, - and .")
		return
	}
	if err := c.server.authenticate(req); err != nil {
		c.server.logger().Info("login denied", "user", req.Username, "remote", c.conn.RemoteAddr().String())
		refuse(CodeDenied, "wrong name or password")
		return
	}
	joined := false
	c.hub.call(func() {
		joined = c.server.join(c, req.Username, func(users []string) []byte {
			return welcome(loginResponse{Type: "login_response", ID: req.ID, Success: true,
				Message: "welcome, " + req.Username, UserID: rand.Text(), Users: users[:min(len(users), maxUsers)]})
		})
	})
	if !joined {
		refuse(CodeNameTaken, "somebody has that name")
		return
	}
	c.member = true
	c.server.logger().Info("login", "user", req.Username, "remote", c.conn.RemoteAddr().String())
}

// welcome makes r a frame. With thousands in the room not all of them fit: then
// it lists as many as do.
func welcome(r loginResponse) []byte {
	for {
		line := frame(r)
		if len(line) <= MaxFrame {
			return line
		}
		if len(r.Users) == 0 {
			r.ID = nil // it is nearly as long as a frame
		}
		r.Users = r.Users[:len(r.Users)*3/4]
	}
}

func (s *Server) authenticate(req Request) error {
	if s.Authenticate != nil {
		return s.Authenticate(req.Username, string(req.Password))
	}
	if req.Password == "" {
		return errors.New("empty password")
	}
	return nil
}

// chat says something to everybody else.
func (c *session) chat(req Request) {
	if !c.member {
		c.refuse(&RequestError{Code: CodeNotLoggedIn, Message: "log in first", ID: req.ID})
		return
	}
	if req.Content == "" {
		c.refuse(&RequestError{Code: CodeEmptyContent, Message: "there is nothing in it", ID: req.ID})
		return
	}
	s := c.server
	c.hub.post(func() {
		if c.shut {
			return
		}
		line := frame(chatMessage{Type: "chat_message", Seq: s.state.seq + 1, Username: c.name,
			Content: req.Content, Timestamp: float64(time.Now().UnixMicro()) / 1e6})
		var ack []byte
		if req.ID != nil {
			ack = frame(chatResponse{Type: "chat_response", ID: req.ID, Success: true, Seq: s.state.seq + 1})
		}
		if len(line) > MaxFrame || len(ack) > MaxFrame {
			no := frame(errorMessage{Type: "error", ID: req.ID, Code: CodeTooLong, Message: "that does not fit into one message"})
			if len(no) > MaxFrame {
				no = unanswerable
			}
			s.push(c, no)
			return
		}
		s.state.seq++
		s.tell(line, c)
		if ack != nil {
			s.push(c, ack)
		}
	})
}
