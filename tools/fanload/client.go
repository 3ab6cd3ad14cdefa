package fanload

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"time"
)

// readBuffer is what a receiver reads at most at once: large, so that a
// receiver that fell behind catches up in one system call.
const readBuffer = 64 << 10

// joinTimeout bounds a login. It is generous because ngircd takes its time
// with a hundred clients from one address.
const joinTimeout = 30 * time.Second

// client is a connection that has joined.
type client struct {
	proto Protocol
	conn  net.Conn
	r     *bufio.Reader
	mark  marker
}

func dial(ctx context.Context, proto Protocol, addr, name string) (*client, error) {
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return nil, err
	}
	c := &client{proto: proto, conn: conn, r: bufio.NewReaderSize(conn, readBuffer)}
	conn.SetDeadline(time.Now().Add(joinTimeout))
	if err := proto.Join(conn, c.r, name); err != nil {
		conn.Close()
		return nil, err
	}
	conn.SetDeadline(time.Time{})
	return c, nil
}

// next returns the number of the next message, and answers whatever else the
// server says on the way.
func (c *client) next() (int, error) {
	for {
		line, err := c.r.ReadSlice('\n')
		if err == io.EOF {
			return 0, fmt.Errorf("the server closed the connection")
		}
		if err != nil {
			return 0, err
		}
		if n, ok := c.mark.find(line); ok {
			return n, nil
		}
		if answer := c.proto.Answer(line); answer != nil {
			if _, err := c.conn.Write(answer); err != nil {
				return 0, err
			}
		}
	}
}

// drain reads on the sender's connection until it closes: acknowledgements,
// and the server's pings.
func (c *client) drain() error {
	for {
		if _, err := c.next(); err != nil {
			return err
		}
	}
}

// readLittle makes a client that has stopped reading fill up soon: a small
// receive buffer is what a slow machine would have.
func (c *client) readLittle() {
	if tcp, ok := c.conn.(*net.TCPConn); ok {
		tcp.SetReadBuffer(4 << 10)
	}
}

// A body is markText, the message's number in numberLen digits, and padding.
// No protocol here changes such a body on its way.
const (
	markText  = "~fan~"
	numberLen = 10
	minBody   = len(markText) + numberLen
)

// appendBody appends the body of message n.
func appendBody(b []byte, n, size int) []byte {
	b = append(b, markText...)
	at := len(b)
	for range numberLen {
		b = append(b, '0')
	}
	for i := at + numberLen - 1; n > 0; i-- {
		b[i] += byte(n % 10)
		n /= 10
	}
	for range size - minBody {
		b = append(b, 'x')
	}
	return b
}

// marker finds a message's number in a line without parsing the line: it
// looks first where the last one was.
type marker struct{ at int }

func (m *marker) find(line []byte) (int, bool) {
	end := m.at + minBody
	if end > len(line) || string(line[m.at:m.at+len(markText)]) != markText {
		at := bytes.Index(line, []byte(markText))
		if at < 0 || at+minBody > len(line) {
			return 0, false
		}
		m.at, end = at, at+minBody
	}
	n := 0
	for _, d := range line[end-numberLen : end] {
		n = n*10 + int(d-'0')
	}
	return n, true
}
