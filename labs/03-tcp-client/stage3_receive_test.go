package tcpclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	tcpclient "workbook.example/labs/03-tcp-client"
	"workbook.example/tools/labtest"
)

// A listener is Receive at work on a connection to the server.
type listener struct {
	messages chan tcpclient.Message
	bad      chan string // the frames, and what was said about them
	ended    chan error
}

// listen calls Receive on a connection whose other end is the server.
func listen(t *labtest.T) (*listener, *labtest.Peer) {
	t.Helper()
	conn, server := connection(t)
	t.Cleanup(func() { conn.Close() })
	l := &listener{messages: make(chan tcpclient.Message, 1000), bad: make(chan string, 1000), ended: make(chan error, 1)}
	go func() {
		l.ended <- tcpclient.Receive(conn,
			func(m tcpclient.Message) { l.messages <- m },
			func(frame []byte, err error) {
				if !errors.Is(err, tcpclient.ErrBadMessage) {
					t.Errorf("The frame %s was reported with %s; expected ErrBadMessage.", frame, orNil(err))
				}
				l.bad <- string(frame)
			})
	}()
	return l, server
}

// expect checks that the next messages have these contents.
func (l *listener) expect(t *labtest.T, how string, contents ...string) {
	t.Helper()
	for i, want := range contents {
		var m tcpclient.Message
		select {
		case m = <-l.messages:
		case frame := <-l.bad:
			t.Broken("%s: the frame %s was reported as bad.", how, short(frame))
		case err := <-l.ended:
			if len(l.messages) > 0 {
				l.ended <- err
				m = <-l.messages
				break
			}
			t.Broken("%s: Receive returned %s after %d of %d messages.", how, orNil(err), i, len(contents))
		case <-time.After(labtest.Patience):
			t.Broken("%s: message %d of %d did not come within %v.", how, i+1, len(contents), labtest.Patience)
		}
		if m.Content != want {
			t.Broken("%s: message %d has the content %s; expected %s.", how, i+1, short(m.Content), short(want))
		}
	}
}

// short quotes s, or its beginning.
func short(s string) string {
	if len(s) <= 60 {
		return fmt.Sprintf("%q", s)
	}
	return fmt.Sprintf("%q… (%d bytes)", s[:60], len(s))
}

func TestMessagesComeWholeAndInOrder(tt *testing.T) {
	t := begin(tt)
	l, server := listen(t)
	server.SendTogether(chatMessage(1, "one"), chatMessage(2, "two"), chatMessage(3, "three"))
	l.expect(t, "Three messages in one segment", "one", "two", "three")
	server.SendBytewise([]byte(chatMessage(4, "vier: 你好") + "\r\n"))
	l.expect(t, "A message byte by byte", "vier: 你好")
	whole := []byte(chatMessage(5, "five") + "\n" + chatMessage(6, "six") + "\n")
	server.SendRaw(whole[:100])
	server.SendRaw(whole[100:])
	l.expect(t, "Two messages, cut in the middle of the second", "five", "six")
	long := strings.Repeat("x", 60_000)
	server.Send(chatMessage(7, long))
	l.expect(t, "A message of 60 000 bytes", long)
	server.CloseWrite()
	if err := next(t, "The end of Receive, after that of the stream,", l.ended); !errors.Is(err, io.EOF) {
		t.Broken("The stream ended between two messages, and Receive returned %s; expected io.EOF.", orNil(err))
	}
}

func TestMessageStaysAsItWas(tt *testing.T) {
	t := begin(tt)
	l, server := listen(t)
	const messages = 50
	for i := range messages {
		server.Send(chatMessage(i, fmt.Sprintf("number %03d", i)))
	}
	server.CloseWrite()
	err := next(t, "The end of Receive", l.ended)
	if n := len(l.messages); n != messages {
		t.Broken("%d messages came, and then the end. Receive delivered %d of them, and returned %s.", messages, n, orNil(err))
	}
	for i := range messages {
		m := next(t, fmt.Sprintf("Message %d", i), l.messages)
		if want := chatMessage(i, fmt.Sprintf("number %03d", i)); string(m.Frame) != want {
			t.Broken("Some messages later, the frame of a message that came as %s reads %s.", want, m.Frame)
		}
	}
}

func TestBadMessageIsNotABadConnection(tt *testing.T) {
	t := begin(tt)
	l, server := listen(t)
	for i, junk := range []string{
		`?`, ``, `[1]`, `null`, `{}`, `{"type":7}`, `{"type":"joined","username":{}}`,
		`{"type":"chat_message","seq":1,"username":"bob","content":"hi","timestamp":"yesterday"}`,
		`{"type":"chat_message","seq":-1,"username":"bob","content":"hi","timestamp":1}`,
		`{"type":"chat_message","seq":1,"username":"bob","content":"hi","timestamp":1e300}`,
		`{"type":"left","type":"joined","username":"bob"}`,
		strings.Repeat("[", 30_000),
	} {
		server.SendTogether(junk, chatMessage(i, "after it"))
		l.expectBad(t, junk)
		l.expect(t, fmt.Sprintf("After the frame %s", short(junk)), "after it")
	}
}

func (l *listener) expectBad(t *labtest.T, junk string) {
	t.Helper()
	select {
	case frame := <-l.bad:
		if frame != junk {
			t.Broken("The frame %s is no message, and %s was reported as bad.", short(junk), short(frame))
		}
	case err := <-l.ended:
		t.Broken("The frame %s is no message, and Receive returned %s.", short(junk), orNil(err))
	case <-time.After(labtest.Patience):
		t.Broken("The frame %s is no message, and was not reported as bad.", short(junk))
	}
}

func TestBrokenFrameIsTheEnd(tt *testing.T) {
	t := begin(tt)
	for _, c := range []struct {
		what, stream string
		end          error
	}{
		{"A line of 70 000 bytes", strings.Repeat("x", 70_000) + "\n", tcpclient.ErrFrameTooLong},
		{"A line without an end", strings.Repeat("x", 70_000), tcpclient.ErrFrameTooLong},
		{"A line that is not UTF-8", "{\"type\":\"joined\",\"username\":\"\xff\"}\n", tcpclient.ErrNotUTF8},
	} {
		l, server := listen(t)
		server.Send(chatMessage(1, "before it"))
		server.SendRaw([]byte(c.stream))
		l.expect(t, "Before the broken frame", "before it")
		if err := next(t, "The end of Receive, after a broken frame,", l.ended); !errors.Is(err, c.end) {
			t.Broken("%s came, and Receive returned %s; expected %q.", c.what, orNil(err), c.end)
		}

		client, server := start(t)
		server.SendRaw([]byte(c.stream))
		if err := ends(t, client, c.what+" came"); !errors.Is(err, c.end) {
			t.Broken("%s came, and the client ended with %q; expected %q.", c.what, err, c.end)
		}
		server.ExpectClosed()
	}
}

func TestEndsAreToldApart(tt *testing.T) {
	t := begin(tt)
	every := []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET}
	for _, c := range []struct {
		what string
		do   func(server *labtest.Peer)
		want error
	}{
		{"The server ended the connection after a message", func(server *labtest.Peer) {
			server.Send(chatMessage(1, "hi"))
			server.CloseWrite()
		}, io.EOF},
		{"The server ended the connection in the middle of a message", func(server *labtest.Peer) {
			server.SendRaw([]byte(chatMessage(1, "hi")[:30]))
			server.CloseWrite()
		}, io.ErrUnexpectedEOF},
		{"The server reset the connection", func(server *labtest.Peer) { server.Reset() }, syscall.ECONNRESET},
	} {
		client, server := start(t)
		if err := client.Err(); err != nil {
			t.Broken("A connection had just begun, and Err gave %q.", err)
		}
		c.do(server)
		err := ends(t, client, c.what)
		for _, end := range every {
			if errors.Is(err, end) != (end == c.want) {
				t.Broken("%s, and Err gave %q; expected %q and nothing else.", c.what, err, c.want)
			}
		}
	}
}

func TestServerSaysWhyItEnds(tt *testing.T) {
	t := begin(tt)
	const sorry = `{"type":"error","code":"timeout","message":"nothing came for too long"}`
	const how = "The server sent an error with the code timeout, and ended the connection"
	conn, server := connectionTo(t, "server1")
	client := newClient(t)
	run(t, client, conn)
	server.SendTogether(chatMessage(1, "hi"), sorry)
	server.CloseWrite()
	err := ends(t, client, how)
	said, ok := errors.AsType[*tcpclient.ServerError](err)
	if !ok || said.Code != tcpclient.CodeTimeout || said.Message != "nothing came for too long" {
		t.Broken("%s. Err gave %q; expected that errors.As finds in it what the server said.", how, err)
	}
	for i, c := range []struct {
		what  string
		lines []string
	}{
		{"an error that ends nothing", []string{`{"type":"error","code":"empty_content","message":"content is empty"}`}},
		{"an error that answers a request", []string{`{"type":"error","id":"1","code":"too_long","message":"content is too long"}`}},
		{"an error about ending, and then a message after it", []string{sorry, chatMessage(1, "never mind")}},
	} {
		conn, server := connectionTo(t, fmt.Sprint("server", i+2))
		client := newClient(t)
		run(t, client, conn)
		server.SendTogether(c.lines...)
		server.CloseWrite()
		err := ends(t, client, "The server sent "+c.what+", and ended the connection")
		if _, found := errors.AsType[*tcpclient.ServerError](err); found || !errors.Is(err, io.EOF) {
			t.Broken("The server sent %s, and ended the connection. Err gave %q; expected io.EOF alone, since that error was not the reason.", c.what, err)
		}
	}
}

func TestSilenceIsNoEnd(tt *testing.T) {
	t := begin(tt)
	var early, err error
	onFakeTime(t, func(c *testClient, server net.Conn) {
		time.Sleep(time.Hour)
		early = c.Err()
		io.WriteString(server, lastWords[:40])
		time.Sleep(time.Hour) // in the middle of a message
		io.WriteString(server, lastWords[40:]+"\n")
		server.Close()
		time.Sleep(time.Second)
		err = c.Err()
	})
	if early != nil {
		t.Broken("The server was silent for an hour, and the client ended with %q.", early)
	}
	if !saysShutdown(err) {
		t.Broken("The first half of a message came, an hour later the second half, and then the end. Err gave %s; expected the error that the message is.", orNil(err))
	}
}

func TestClientHasOneConnection(tt *testing.T) {
	t := begin(tt)
	t.Needs(1)
	srv := t.Server("server")
	c := newClient(t)
	connect(t, c, within(t), srv.Addr())
	first := srv.Accept("server")

	for range 3 {
		if err := c.Connect(within(t), srv.Addr()); !errors.Is(err, tcpclient.ErrAlreadyConnected) {
			t.Broken("Connect, of a client that is connected, returned %s; expected ErrAlreadyConnected.", orNil(err))
		}
		ours, theirs := connection(t)
		if err := c.Start(ours); !errors.Is(err, tcpclient.ErrAlreadyConnected) {
			t.Broken("Start, of a client that is connected, returned %s; expected ErrAlreadyConnected.", orNil(err))
		}
		theirs.ExpectClosed() // Start has said no, and keeps nothing
	}
	stillGoing(t, c, first, "Connect was called twice")
}

// connect connects c, which must succeed.
func connect(t *labtest.T, c *testClient, ctx context.Context, addr string) {
	t.Helper()
	t.Returns("Connect", func() {
		if err := c.Connect(ctx, addr); err != nil {
			t.Errorf("Connect, to a server that listens, returned the error %q.", err)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
}

func TestRacingConnectsHaveOneWinner(tt *testing.T) {
	t := begin(tt)
	t.Needs(1)
	t.NoLeaks()
	srv := countConnections(t)
	c := newClient(t)
	const callers = 20
	results := make(chan error, callers)
	go0 := make(chan struct{})
	for range callers {
		go func() {
			<-go0
			results <- c.Connect(context.Background(), srv.addr)
		}()
	}
	close(go0)
	won := 0
	for range callers {
		switch err := next(t, "The return of one of 20 racing calls of Connect", results); {
		case err == nil:
			won++
		case !errors.Is(err, tcpclient.ErrAlreadyConnected):
			t.Broken("One of 20 racing calls of Connect returned %q; expected ErrAlreadyConnected.", err)
		}
	}
	if won != 1 {
		t.Broken("Of 20 racing calls of Connect %d returned no error; expected one.", won)
	}
	srv.allAccepted(t)
	for deadline := time.Now().Add(labtest.Patience); srv.open.Load() != 1; time.Sleep(ms) {
		if time.Now().After(deadline) {
			t.Broken("Of 20 racing calls of Connect one returned no error, and at the server %d connections are open; expected one.", srv.open.Load())
		}
	}
}

// A connectionCounter is a server that only counts who is connected.
type connectionCounter struct {
	addr   string
	open   atomic.Int64
	marked chan string // the address of each that came
}

func countConnections(t *labtest.T) *connectionCounter {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	s := &connectionCounter{addr: l.Addr().String(), marked: make(chan string, 1000)}
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	over := make(chan struct{})
	t.Cleanup(func() { close(over); l.Close() })
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			s.open.Add(1)
			s.marked <- conn.RemoteAddr().String()
			gone := make(chan struct{})
			serving.Go(func() {
				defer close(gone)
				conn.SetDeadline(time.Now().Add(2 * labtest.Patience))
				io.Copy(io.Discard, conn)
				s.open.Add(-1)
			})
			serving.Go(func() {
				select { // closed when the client has gone, or the test is over
				case <-gone:
				case <-over:
				}
				conn.Close()
			})
		}
	})
	return s
}

// allAccepted returns when whoever has connected by now has been counted.
func (s *connectionCounter) allAccepted(t *labtest.T) {
	t.Helper()
	last, err := net.Dial("tcp", s.addr) // connections are accepted in the order in which they came
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	defer last.Close()
	for next(t, "A connection of the test's own", s.marked) != last.LocalAddr().String() {
	}
}

func TestFailedConnectCanBeTriedAgain(tt *testing.T) {
	t := begin(tt)
	t.Needs(1)
	c := newClient(t)
	for _, try := range []string{"the first", "the second"} {
		err := c.Connect(within(t), "127.0.0.1:"+unused(t))
		if got := tcpclient.Why(err); got != tcpclient.Refused {
			t.Broken("Connect, to a port where nobody listens, was called twice: %s time it returned %s; expected that it was refused.", try, orNil(err))
		}
	}
	if err := c.Err(); err != nil {
		t.Broken("Connect failed, and Err gave %q; expected nil, since no connection has ended.", err)
	}
	srv := t.Server("server")
	connect(t, c, within(t), srv.Addr())
	stillGoing(t, c, srv.Accept("server"), "Connect failed twice, and then succeeded")
}

func TestConnectContextIsForConnecting(tt *testing.T) {
	t := begin(tt)
	t.Needs(1)
	for _, what := range []string{"was cancelled", "reached its end"} {
		c := newClient(t)
		srv := t.Server("server")
		if what == "was cancelled" {
			ctx, cancel := context.WithCancel(context.Background())
			connect(t, c, ctx, srv.Addr())
			cancel()
		} else {
			inTime(t, func(ctx context.Context) error {
				srv = t.Server("server")
				return c.Connect(ctx, srv.Addr())
			})
		}
		server := srv.Accept("server")
		after := "Connect had returned, and then its context " + what
		select { // what comes of it may come a moment later
		case <-c.Done():
			t.Broken("%s: the client ended with %s.", after, orNil(c.Err()))
		case <-time.After(10 * ms):
		}
		stillGoing(t, c, server, after)
	}
}

func TestEndedConnectionIsClosed(tt *testing.T) {
	t := begin(tt)
	t.NoLeaks()
	client, server := start(t)
	server.CloseWrite()
	ends(t, client, "The server ended the connection")
	server.ExpectClosed()
	client, server = start(t)
	server.Reset()
	ends(t, client, "The server reset the connection")
}
