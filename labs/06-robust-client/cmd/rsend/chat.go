package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
)

// What of the chat protocol (docs/protocol.md) a sender needs to know.

// chatMessage is a message of the server, the part of it that matters here.
type chatMessage struct {
	Type    string          `json:"type"`
	Code    string          `json:"code"`
	Success bool            `json:"success"`
	ID      json.RawMessage `json:"id"`
}

// login is the Handshake with a chat server.
func (s *sender) login(_ context.Context, conn net.Conn) error {
	request, err := json.Marshal(map[string]string{"type": "login", "username": s.name, "password": "x"})
	if err != nil {
		return err
	}
	if _, err := conn.Write(append(request, '\n')); err != nil {
		return err
	}
	var line []byte
	for b := make([]byte, 1); ; { // byte by byte: what follows the line is not ours
		if _, err := conn.Read(b); err != nil {
			return err
		}
		if b[0] == '\n' || len(line) > 1<<16 {
			break
		}
		line = append(line, b[0])
	}
	var m chatMessage
	switch err := json.Unmarshal(line, &m); {
	case err != nil:
		return errors.New("this is no chat server: it did not answer the login")
	case m.Success:
		return nil
	case m.Code == "server_full", m.Code == "shutdown", m.Code == "name_taken":
		// It passes. The name may be taken by our own last connection.
		return fmt.Errorf("the server says %s: %w", m.Code, io.EOF)
	}
	return fmt.Errorf("the server does not let %s in: %s", printable([]byte(s.name)), printable([]byte(m.Code)))
}

// message is what is sent for a line, and the id by which it is answered; ""
// if it is not.
func (s *sender) message(number int, line string) (message []byte, id string) {
	if s.name == "" {
		return []byte(line + "\n"), ""
	}
	id = strconv.Itoa(number)
	text, err := json.Marshal(map[string]any{"type": "chat", "content": line, "id": number})
	if err != nil {
		return []byte("\n"), id // text can always be encoded
	}
	return append(text, '\n'), id
}

// heard looks at a line of a chat server: answers are noted, pings answered.
func (s *sender) heard(line []byte) {
	var m chatMessage
	if json.Unmarshal(line, &m) != nil {
		return
	}
	switch {
	case m.Type == "ping":
		ctx, cancel := context.WithTimeout(context.Background(), s.reply)
		defer cancel()
		s.client.SendAll(ctx, []byte(`{"type":"pong"}`+"\n"))
	case m.Type == "chat_response", m.Type == "error" && len(m.ID) > 0:
		select {
		case s.answers <- string(m.ID):
		default: // nobody has waited for so many
		}
	}
}
