package tcpclient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	tcpclient "workbook.example/labs/03-tcp-client"
	"workbook.example/tools/labtest"
)

// This file is the only one that starts your code. The stages' tests play the
// server, over real sockets wherever they can.

// begin begins a test of a client.
func begin(tt *testing.T) *labtest.T {
	t := labtest.Begin(tt)
	t.Subject("client")
	return t
}

// A testClient is your client, and what it told the test.
type testClient struct {
	*tcpclient.Client
	lost chan error // what OnDisconnect was called with, each time
	log  *logBuffer
}

// newClient makes your client. configure may set its options before.
func newClient(t *labtest.T, configure ...func(*tcpclient.Options)) *testClient {
	t.Helper()
	c := makeClient(configure...)
	t.Logged(c.log.complaints)
	return c
}

func makeClient(configure ...func(*tcpclient.Options)) *testClient {
	c := &testClient{lost: make(chan error, 16), log: new(logBuffer)}
	options := tcpclient.Options{
		Logger: slog.New(slog.NewTextHandler(c.log, &slog.HandlerOptions{Level: slog.LevelDebug})),
		OnDisconnect: func(cause error) {
			select {
			case c.lost <- cause:
			default: // a few are enough to tell that there were too many
			}
		},
	}
	for _, set := range configure {
		set(&options)
	}
	c.Client = tcpclient.New(options)
	return c
}

// hangUp ends c's connection, if there is one, without a word.
func hangUp(c *testClient) {
	past, cancel := context.WithCancel(context.Background())
	cancel()
	c.Close(past)
}

// start starts your client on a connection to a server that the test plays.
func start(t *labtest.T, configure ...func(*tcpclient.Options)) (*testClient, *labtest.Peer) {
	t.Helper()
	return startOn(t, func(conn net.Conn) net.Conn { return conn }, configure...)
}

// startOn is start with something between the client and its connection.
func startOn(t *labtest.T, between func(net.Conn) net.Conn, configure ...func(*tcpclient.Options)) (*testClient, *labtest.Peer) {
	t.Helper()
	conn, server := connection(t)
	c := newClient(t, configure...)
	run(t, c, between(conn))
	return c, server
}

// run gives c its connection, which is closed when the test ends.
func run(t *labtest.T, c *testClient, conn net.Conn) {
	t.Helper()
	t.Cleanup(func() { conn.Close() })
	t.Returns("Start", func() {
		if err := c.Start(conn); err != nil {
			t.Errorf("Start, of a new client, returned the error %q.", err)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
}

// onFakeTime makes your client and starts it on a connection in memory, whose
// other end is server, on fake time. talk must not use t.
func onFakeTime(t *labtest.T, talk func(c *testClient, server net.Conn), configure ...func(*tcpclient.Options)) {
	t.Helper()
	var c *testClient
	var err error
	t.Logged(func() []string {
		if c == nil {
			return nil
		}
		return c.log.complaints()
	})
	t.FakeTime(func() {
		c = makeClient(configure...)
		ours, theirs := net.Pipe()
		defer theirs.Close()
		defer ours.Close()
		// Whoever would wait for ever waits for a day, and can be told from
		// others by that.
		defer time.AfterFunc(24*time.Hour, func() { theirs.Close(); ours.Close() }).Stop()
		if err = c.Start(ours); err == nil {
			talk(c, theirs)
		}
	})
	if err != nil {
		t.Broken("Start, of a new client, returned the error %q.", err)
	}
}

// connection makes a TCP connection to a server that the test plays.
func connection(t *labtest.T) (net.Conn, *labtest.Peer) {
	t.Helper()
	return connectionTo(t, "server")
}

// connectionTo is connection, where the ladder needs to tell several apart.
func connectionTo(t *labtest.T, name string) (net.Conn, *labtest.Peer) {
	t.Helper()
	srv := t.Server(name)
	conn, err := net.Dial("tcp", srv.Addr())
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	return conn, srv.Accept(name)
}

// ends waits until c's connection has ended, and returns why.
func ends(t *labtest.T, c *testClient, why string) error {
	t.Helper()
	select {
	case <-c.Done():
	case <-time.After(labtest.Patience):
		t.Broken("%s, and after %v Done is not closed yet.", why, labtest.Patience)
	}
	err := c.Err()
	if err == nil {
		t.Broken("%s. Done is closed, and Err gives no reason.", why)
	}
	return err
}

// stillGoing checks that c still receives: the server ends with a word of its
// own, and c must have heard it.
func stillGoing(t *labtest.T, c *testClient, server *labtest.Peer, after string) {
	t.Helper()
	if err := c.Err(); err != nil {
		t.Broken("%s, and the client ended with %q.", after, err)
	}
	server.Send(lastWords)
	server.CloseWrite()
	if err := ends(t, c, after+"; then the server said goodbye"); !saysShutdown(err) {
		t.Broken("%s; then the server said that it is shutting down, and ended. The client ended with %q.", after, err)
	}
}

// lastWords is what a server says before it ends, and saysShutdown whether a
// client has heard it.
const lastWords = `{"type":"error","code":"shutdown","message":"the server is shutting down"}`

func saysShutdown(err error) bool {
	said, ok := errors.AsType[*tcpclient.ServerError](err)
	return ok && said.Code == tcpclient.CodeShutdown
}

// A msg is one message of the protocol, or the part of one that matters.
type msg = labtest.Fields

// chatMessage is what the server sends when somebody has said something.
func chatMessage(seq int, content string) string {
	return fmt.Sprintf(`{"type":"chat_message","seq":%d,"username":"bob","content":%q,"timestamp":1767225600.25}`, seq, content)
}

// within is a context that a right client never needs to wait for.
func within(t *labtest.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), 2*labtest.Patience)
	t.Cleanup(cancel)
	return ctx
}

// inTime calls try with a context that has little time, and gives it more when
// that was too little for a busy machine. It returns when the time is over. Each
// try needs a server of its own: one that came too late may have got there.
func inTime(t *labtest.T, try func(ctx context.Context) error) {
	t.Helper()
	for limit := 50 * time.Millisecond; ; limit *= 2 {
		ctx, cancel := context.WithTimeout(context.Background(), limit)
		t.Cleanup(cancel)
		begun := time.Now()
		err := try(ctx)
		if took := time.Since(begun); err != nil && (took < limit/2 || limit > labtest.Patience/4) {
			t.Broken("A server that listens was asked for something, with %v of time. After %v came the error %q.", limit, took.Round(time.Millisecond), err)
		}
		<-ctx.Done()
		if err == nil {
			return
		}
	}
}

// next waits for what comes out of a channel.
func next[T any](t *labtest.T, what string, from <-chan T) (v T) {
	t.Helper()
	select {
	case v = <-from:
	case <-time.After(labtest.Patience):
		t.Broken("%s did not come within %v.", what, labtest.Patience)
	}
	return v
}

// A logBuffer collects what the client logs.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// complaints are the warnings and errors among the lines.
func (b *logBuffer) complaints() (lines []string) {
	for line := range strings.Lines(b.String()) {
		if !strings.Contains(line, "level=INFO") && !strings.Contains(line, "level=DEBUG") {
			lines = append(lines, line)
		}
	}
	return lines
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// orNil makes an error fit to be printed when there may be none.
func orNil(err error) string {
	if err == nil {
		return "no error"
	}
	return fmt.Sprintf("the error %q", err)
}

// The probes say, in the smallest way there is, whether a stage works so far
// that a later one can be judged.
func init() {
	labtest.Probe(1, probeDial)
	labtest.Probe(3, func() error {
		return withServer(func(c *testClient, conn net.Conn) error {
			io.WriteString(conn, lastWords+"\n")
			conn.Close()
			select {
			case <-c.Done():
			case <-time.After(labtest.Patience / 2):
				return errors.New("the server has ended the connection, and Done is not closed")
			}
			if err := c.Err(); !saysShutdown(err) {
				return fmt.Errorf("the server said that it is shutting down, and ended the connection; Err is %v", err)
			}
			return nil
		})
	})
	labtest.Probe(4, func() error {
		return withServer(func(c *testClient, conn net.Conn) error {
			got := make(chan string, 1)
			c.On("chat_message", func(m tcpclient.Message) { got <- m.Content })
			io.WriteString(conn, chatMessage(1, "hi")+"\n")
			select {
			case content := <-got:
				if content != "hi" {
					return fmt.Errorf("a handler was called with the content %q; the server sent %q", content, "hi")
				}
				return nil
			case <-time.After(labtest.Patience / 2):
				return errors.New("the server sent a chat_message, and the handler for it was not called")
			}
		})
	})
	labtest.Probe(5, func() error {
		return withServer(func(c *testClient, conn net.Conn) error {
			if err := c.Send(context.Background(), tcpclient.Request{Type: "chat", Content: "hi"}); err != nil {
				return fmt.Errorf("Send returned the error %w", err)
			}
			line, err := readLine(conn)
			if err != nil || line != `{"type":"chat","content":"hi"}` {
				return fmt.Errorf("a chat was sent, and to the server came %q, %v", line, err)
			}
			return nil
		})
	})
	labtest.Probe(6, func() error {
		return withServer(func(c *testClient, conn net.Conn) error {
			go func() {
				line, _ := readLine(conn)
				_, rest, _ := strings.Cut(line, `"id":`)
				id, _, _ := strings.Cut(rest, ",")
				fmt.Fprintf(conn, "{\"type\":\"chat_response\",\"id\":%s,\"success\":true,\"seq\":7}\n", strings.TrimRight(id, "}"))
			}()
			ctx, cancel := context.WithTimeout(context.Background(), labtest.Patience/2)
			defer cancel()
			seq, err := c.Chat(ctx, "hi")
			if err != nil || seq != 7 {
				return fmt.Errorf("Chat was answered with seq 7, and returned %d, %v", seq, err)
			}
			return nil
		})
	})
	labtest.Probe(7, func() error {
		return withServer(func(c *testClient, conn net.Conn) error {
			hangUp(c)
			select {
			case <-c.Done():
				return nil
			case <-time.After(labtest.Patience / 2):
				return errors.New("Close was called with a context that has ended, and Done is not closed")
			}
		})
	})
}

func probeDial() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	ctx, cancel := context.WithTimeout(context.Background(), labtest.Patience/2)
	defer cancel()
	conn, err := new(tcpclient.Dialer).Dial(ctx, l.Addr().String())
	if err != nil {
		return fmt.Errorf("Dial of a server that listens: %w", err)
	}
	if conn == nil {
		return errors.New("Dial returned neither a connection nor an error")
	}
	return conn.Close()
}

// withServer talks to a client over a connection whose other end is conn.
func withServer(talk func(c *testClient, conn net.Conn) error) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	ours, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		return err
	}
	defer ours.Close()
	theirs, err := l.Accept()
	if err != nil {
		return err
	}
	defer theirs.Close()
	theirs.SetDeadline(time.Now().Add(labtest.Patience))
	c := makeClient()
	if err := c.Start(ours); err != nil {
		return err
	}
	return talk(c, theirs)
}

// readLine reads a line, a byte at a time so that nothing after it is lost.
func readLine(r io.Reader) (string, error) {
	var line []byte
	for b := make([]byte, 1); ; {
		if _, err := io.ReadFull(r, b); err != nil {
			return string(line), err
		}
		if b[0] == '\n' {
			return string(line), nil
		}
		line = append(line, b[0])
	}
}

// isTimeout tells whether err is the end of a deadline, a connection's or a
// context's.
func isTimeout(err error) bool {
	return errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, context.DeadlineExceeded)
}
