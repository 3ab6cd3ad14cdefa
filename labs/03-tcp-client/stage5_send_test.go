package tcpclient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tcpclient "workbook.example/labs/03-tcp-client"
	"workbook.example/tools/labtest"
)

// send sends r, which must succeed.
func send(t *labtest.T, c *testClient, r tcpclient.Request) {
	t.Helper()
	t.Returns("Send", func() {
		if err := c.Send(context.Background(), r); err != nil {
			t.Errorf("Send, of a %s, returned the error %q.", r.Type, err)
		}
	})
	if t.Failed() {
		t.FailNow()
	}
}

// say is a chat request.
func say(content string) tcpclient.Request {
	return tcpclient.Request{Type: tcpclient.TypeChat, Content: content}
}

// A tamperedConn is a connection whose writes the test can do something to.
type tamperedConn struct {
	net.Conn
	write            func(b []byte) (int, error)
	setWriteDeadline func(when time.Time) error
	read             func(b []byte) (int, error)
}

func (c *tamperedConn) Write(b []byte) (int, error) {
	if c.write == nil {
		return c.Conn.Write(b)
	}
	return c.write(b)
}

func (c *tamperedConn) Read(b []byte) (int, error) {
	if c.read == nil {
		return c.Conn.Read(b)
	}
	return c.read(b)
}

func (c *tamperedConn) SetWriteDeadline(when time.Time) error {
	if c.setWriteDeadline == nil {
		return c.Conn.SetWriteDeadline(when)
	}
	return c.setWriteDeadline(when)
}

func (c *tamperedConn) SetDeadline(when time.Time) error {
	return errors.Join(c.SetReadDeadline(when), c.SetWriteDeadline(when))
}

// CloseWrite is there because a TCP connection has it.
func (c *tamperedConn) CloseWrite() error {
	half, ok := c.Conn.(interface{ CloseWrite() error })
	if !ok {
		return errors.ErrUnsupported
	}
	return half.CloseWrite()
}

func TestRequestIsOneFrame(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	var writes atomic.Int64
	c, server := startOn(t, func(conn net.Conn) net.Conn {
		return &tamperedConn{Conn: conn, write: func(b []byte) (int, error) {
			writes.Add(1)
			return conn.Write(b)
		}}
	})
	send(t, c, tcpclient.Request{Type: tcpclient.TypeLogin, Username: "alice", Password: "open sesame"})
	server.Expect(msg{"type": "login", "username": "alice", "password": "open sesame"})
	send(t, c, say("a < b && 你好\nsecond line"))
	m := server.Expect(msg{"type": "chat", "content": "a < b && 你好\nsecond line"})
	if n := writes.Load(); n != 2 {
		t.Broken("For two requests Write was called %d times; the last of them was %s. One frame is one Write.", n, m.Raw())
	}
}

func TestSendersTakeTurns(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	var writing, most atomic.Int64
	c, server := startOn(t, func(conn net.Conn) net.Conn {
		return &tamperedConn{Conn: conn, write: func(b []byte) (int, error) {
			if n := writing.Add(1); n > most.Load() {
				most.Store(n)
			}
			defer writing.Add(-1)
			time.Sleep(time.Millisecond) // the network takes its time
			return conn.Write(b)
		}}
	})
	const senders, each = 32, 4
	var all sync.WaitGroup
	for i := range senders {
		all.Go(func() {
			for j := range each {
				if err := c.Send(context.Background(), say(fmt.Sprintf("%d/%d", i, j))); err != nil {
					t.Errorf("One of %d senders at the same time got the error %q.", senders, err)
				}
			}
		})
	}
	last := make(map[int]int)
	for range senders * each {
		var i, j int
		fmt.Sscanf(server.Expect(msg{"type": "chat"}).String("content"), "%d/%d", &i, &j)
		if j != last[i] {
			t.Broken("A sender's requests came in another order: number %d where number %d was due.", j, last[i])
		}
		last[i]++
	}
	t.Returns("Send, by 32 goroutines,", all.Wait)
	if n := most.Load(); n > 1 {
		t.Broken("%d goroutines were in the connection's Write at the same time.", n)
	}
}

func TestHalfAFrameEndsTheConnection(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	broken := errors.New("the cable is cut")
	var writes atomic.Int64
	c, server := startOn(t, func(conn net.Conn) net.Conn {
		return &tamperedConn{Conn: conn, write: func(b []byte) (int, error) {
			if writes.Add(1) != 2 {
				return conn.Write(b)
			}
			n, _ := conn.Write(b[:10])
			return n, broken
		}}
	})
	send(t, c, say("one"))
	if err := c.Send(context.Background(), say("two")); !errors.Is(err, broken) {
		t.Broken("Ten bytes of a frame were written, and then Write returned %q. Send returned %s.", broken, orNil(err))
	}
	if err := c.Send(context.Background(), say("three")); err == nil {
		t.Broken("Ten bytes of a frame were written, and then Write failed. The next Send returned no error.")
	}
	if err := ends(t, c, "Ten bytes of a frame were written, and then Write failed"); !errors.Is(err, broken) {
		t.Broken("Ten bytes of a frame were written, and then Write returned %q. The client ended with %q.", broken, err)
	}
	all, err := io.ReadAll(deadlined(server.Conn()))
	if isTimeout(err) {
		t.Broken("Ten bytes of a frame were written, and then Write failed. The server still waits for the end of the connection.")
	}
	if _, rest, _ := strings.Cut(string(all), "\n"); rest != `{"type":"c` {
		t.Broken("Ten bytes of a second frame were written, and then Write failed. After the first frame came %q to the server; expected those ten bytes and nothing else.", rest)
	}
}

// deadlined gives conn the time that tests wait for anything.
func deadlined(conn net.Conn) net.Conn {
	conn.SetDeadline(time.Now().Add(labtest.Patience))
	return conn
}

func TestStuckWriteEnds(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	for _, by := range []string{"WriteTimeout of 3 s", "cancel after 3 s", "context of 3 s", "WriteTimeout of 3 s, and context of 1 h", "context of 3 s, and WriteTimeout of 1 h"} {
		var took time.Duration
		var sent, ended, later error
		onFakeTime(t, func(c *testClient, server net.Conn) { // who does not read
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			switch {
			case strings.HasPrefix(by, "cancel"):
				time.AfterFunc(3*time.Second, cancel)
			case strings.HasPrefix(by, "context"):
				ctx, cancel = context.WithTimeout(ctx, 3*time.Second)
				defer cancel()
			case strings.HasSuffix(by, "1 h"):
				ctx, cancel = context.WithTimeout(ctx, time.Hour)
				defer cancel()
			}
			begun := time.Now()
			sent = c.Send(ctx, say("hi"))
			took = time.Since(begun)
			ended = c.Err()
			later = c.Send(context.Background(), say("and now?"))
		}, func(o *tcpclient.Options) {
			switch {
			case strings.HasPrefix(by, "Write"):
				o.WriteTimeout = 3 * time.Second
			case strings.HasSuffix(by, "1 h"):
				o.WriteTimeout = time.Hour
			}
		})
		right, want := isTimeout, "a timeout"
		if strings.HasPrefix(by, "cancel") {
			right, want = func(err error) bool { return errors.Is(err, context.Canceled) }, "context.Canceled"
		}
		if !right(sent) || took != 3*time.Second {
			t.Broken("The server does not read (%s): Send returned %s after %v; expected %s after 3s.", by, orNil(sent), took, want)
		}
		if !right(ended) {
			t.Broken("A write was given up halfway (%s), and Err gave %s; expected that the connection has ended, because of %s.", by, orNil(ended), want)
		}
		if later == nil {
			t.Broken("A write was given up halfway (%s), and the next Send returned no error.", by)
		}
	}
}

func TestStuckWriteEndsOnASocket(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	c, server := start(t, func(o *tcpclient.Options) { o.WriteTimeout = 50 * ms })
	server.StopReading()
	sent, err := 0, error(nil)
	t.Returns("Send, to a server that does not read, with a WriteTimeout of 50 ms,", func() {
		for ; err == nil && sent < 10_000; sent++ {
			err = c.Send(context.Background(), say(strings.Repeat("x", 60_000)))
		}
	})
	if !isTimeout(err) {
		t.Broken("The server does not read, and WriteTimeout is 50 ms. After %d requests of 60 000 bytes Send returned %s; expected a timeout.", sent, orNil(err))
	}
}

func TestWhoHasNotBegunGoesWithoutHarm(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	var waited time.Duration
	var first, second, third, never error
	var early []error
	var lines []string
	onFakeTime(t, func(c *testClient, server net.Conn) {
		done := make(chan struct{})
		go func() {
			defer close(done)
			first = c.Send(context.Background(), say("one")) // as soon as somebody reads
		}()
		time.Sleep(time.Second)
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		begun := time.Now()
		second = c.Send(ctx, say("two"))
		waited = time.Since(begun)
		never = c.Send(ctx, say("never")) // its context has ended before
		go func() { third = c.Send(context.Background(), say("three")) }()
		for range 2 {
			server.SetReadDeadline(time.Now().Add(time.Minute))
			line, _ := readLine(server)
			lines = append(lines, line)
		}
		<-done
		time.Sleep(time.Second)
		for range 20 { // now it would be his turn at once
			early = append(early, c.Send(ctx, say("never")))
		}
		early = append(early, c.Err())
	})
	if !errors.Is(second, context.DeadlineExceeded) || waited != 5*time.Second {
		t.Broken("One Send was writing, and another one waited with a context of 5 s: it returned %s after %v; expected the end of its context after 5s.", orNil(second), waited)
	}
	if !errors.Is(never, context.DeadlineExceeded) {
		t.Broken("The context of a Send had ended before; it returned %s.", orNil(never))
	}
	for i, err := range early {
		if i == 20 && err != nil {
			t.Broken("Twenty times a Send had a context that had ended before. Err gave %s; expected that the connection goes on.", orNil(err))
		}
		if i < 20 && !errors.Is(err, context.DeadlineExceeded) {
			t.Broken("The context of a Send had ended before, and nobody else was writing. It returned %s; expected the end of its context.", orNil(err))
		}
	}
	if want := `{"type":"chat","content":"one"} {"type":"chat","content":"three"}`; strings.Join(lines, " ") != want || first != nil || third != nil {
		t.Broken("Of four senders one was writing, two gave up before they had begun, and one came after them. The server got %q, and the first and the last sender %s and %s; expected \"one\" and \"three\", and no error.",
			lines, orNil(first), orNil(third))
	}
}

func TestLimitIsForOneFrame(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	for _, limit := range []string{"context", "WriteTimeout"} {
		var first, second error
		onFakeTime(t, func(c *testClient, server net.Conn) {
			ctx := context.Background()
			if limit == "context" {
				var cancel context.CancelFunc
				ctx, cancel = context.WithTimeout(ctx, 2*time.Second)
				defer cancel()
			}
			go readLine(server)
			first = c.Send(ctx, say("one"))
			time.Sleep(time.Minute)
			go func() {
				time.Sleep(time.Second)
				readLine(server)
			}()
			second = c.Send(context.Background(), say("two"))
		}, func(o *tcpclient.Options) {
			if limit == "WriteTimeout" {
				o.WriteTimeout = 2 * time.Second
			}
		})
		if first != nil {
			t.Broken("The server read at once (%s of 2 s), and Send returned %s.", limit, orNil(first))
		}
		if second != nil {
			t.Broken("A frame was sent with a %s of 2 s. A minute later another one took a second, and Send returned %s.", limit, orNil(second))
		}
	}
}

func TestLateCancelHitsNobodyElse(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	var first, ended, second error
	t.FakeTime(func() {
		ours, theirs := net.Pipe()
		defer theirs.Close()
		ctx, cancel := context.WithCancel(context.Background())
		writes := 0
		c := makeClient()
		err := c.Start(&tamperedConn{
			Conn: ours,
			// The context ends at the very moment when all has been written …
			write: func(b []byte) (int, error) {
				n, err := ours.Write(b)
				if writes++; writes == 1 {
					cancel()
					time.Sleep(time.Second)
				}
				return n, err
			},
			// … and whoever moves the deadline because of that is slow.
			setWriteDeadline: func(when time.Time) error {
				if !when.IsZero() && !when.After(time.Now()) {
					time.Sleep(5 * time.Second)
				}
				return ours.SetWriteDeadline(when)
			},
		})
		if err != nil {
			first = err
			return
		}
		defer ours.Close()
		go readLine(theirs)
		first = c.Send(ctx, say("one"))
		time.Sleep(time.Second)
		if ended = c.Err(); ended != nil {
			return
		}
		go func() {
			time.Sleep(time.Minute)
			readLine(theirs)
		}()
		second = c.Send(context.Background(), say("two"))
	})
	switch {
	case first == nil && ended != nil:
		t.Broken("A frame was written whole, and at that moment its context was cancelled. Send returned no error, and yet the connection ended, with %s.", orNil(ended))
	case first != nil && ended == nil:
		t.Broken("A frame was written whole, and at that moment its context was cancelled. Send returned %s, and yet the connection goes on; expected no error, since the frame is on its way, or the end of the connection.", orNil(first))
	case first != nil && !errors.Is(first, context.Canceled):
		t.Broken("A frame was written whole, and at that moment its context was cancelled. Send returned %s; expected no error or context.Canceled.", orNil(first))
	}
	if second != nil {
		t.Broken("The context of one Send was cancelled when its frame was written. That interrupted the next Send, which has no limit: it returned %s.", orNil(second))
	}
}

func TestTooLongDoesNoHarm(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	c, server := start(t)
	for range 3 {
		if err := c.Send(context.Background(), say(strings.Repeat("x", 70_000))); !errors.Is(err, tcpclient.ErrFrameTooLong) {
			t.Broken("Send, of 70 000 characters, returned %s; expected ErrFrameTooLong.", orNil(err))
		}
		if err := c.Err(); err != nil {
			short := c.Send(context.Background(), say("shorter"))
			t.Broken("Send refused a request that was too long, of which nothing was written, and with that the connection ended: Err gives %q, and the next Send, of a short chat, returned %s.", err, orNil(short))
		}
	}
	send(t, c, say("shorter"))
	server.Expect(msg{"type": "chat", "content": "shorter"})
}

func TestSendNeedsAConnection(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	c := newClient(t)
	t.Returns("Send, before there is a connection,", func() {
		if err := c.Send(context.Background(), say("hi")); !errors.Is(err, tcpclient.ErrNotConnected) {
			t.Errorf("Send, before there is a connection, returned %s; expected ErrNotConnected.", orNil(err))
		}
	})
	if t.Failed() {
		t.FailNow()
	}
	conn, server := connection(t)
	run(t, c, conn)
	server.Send(lastWords)
	server.CloseWrite()
	ends(t, c, "The server ended the connection")
	if err := c.Send(context.Background(), say("hi")); !saysShutdown(err) {
		t.Broken("The server said that it is shutting down, and ended the connection. After that, Send returned %s; expected what Err gives, %q.", orNil(err), c.Err())
	}
}

func TestSendMayMeetTheEnd(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	for round := range 30 {
		c, server := start(t)
		var senders sync.WaitGroup
		for range 4 {
			senders.Go(func() {
				for c.Send(context.Background(), say("hi")) == nil {
				}
			})
		}
		server.Receive()
		server.Reset()
		t.Returns(fmt.Sprintf("In round %d of 30, a Send that met the end of the connection", round+1), senders.Wait)
		ends(t, c, "The server reset the connection while four goroutines were sending")
	}

	var writing, waiting error
	onFakeTime(t, func(c *testClient, server net.Conn) { // who does not read
		done := make(chan struct{}, 2)
		go func() { writing = c.Send(context.Background(), say("one")); done <- struct{}{} }()
		time.Sleep(time.Second)
		go func() { waiting = c.Send(context.Background(), say("two")); done <- struct{}{} }()
		time.Sleep(time.Second)
		io.WriteString(server, "\xff\n") // which ends the connection
		<-done
		<-done
	})
	for what, err := range map[string]error{"was writing": writing, "waited for its turn": waiting} {
		if !errors.Is(err, tcpclient.ErrNotUTF8) {
			t.Broken("A Send %s when a line came that was not UTF-8, which ended the connection. It returned %s; expected the reason, which Err gives, %q.", what, orNil(err), tcpclient.ErrNotUTF8)
		}
	}
}

func TestPingIsAnswered(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	_, server := start(t)
	server.SendJSON(msg{"type": "ping", "id": "are you there?"})
	server.Expect(msg{"type": "pong", "id": "are you there?"})
	server.SendTogether(`{"type":"ping"}`, `{"type":"ping","id":2}`)
	server.Expect(msg{"type": "pong", "id": labtest.Absent})
	server.Expect(msg{"type": "pong", "id": 2})
}

func TestPingDoesNotWaitForHandlers(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 4)
	c, server := start(t)
	inside, _ := hold(t, c)
	server.Send(chatMessage(1, "hi"))
	next(t, "The call of a handler", inside)
	server.SendJSON(msg{"type": "ping", "id": 1})
	server.Expect(msg{"type": "pong", "id": 1})
}

func TestReceivingDoesNotWaitForSending(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	var ended error
	onFakeTime(t, func(c *testClient, server net.Conn) {
		// The server writes, and reads nothing, as one does that is busy.
		server.SetWriteDeadline(time.Now().Add(time.Minute))
		for i := range 100 {
			fmt.Fprintf(server, "{\"type\":\"ping\",\"id\":%d}\n", i)
		}
		io.WriteString(server, "\xff\n") // which ends the connection
		time.Sleep(time.Second)
		ended = c.Err()
	})
	if !errors.Is(ended, tcpclient.ErrNotUTF8) {
		t.Broken("A server that does not read sent 100 pings, and then a line that is not UTF-8. Err gave %s; expected that the client has received that line.", orNil(ended))
	}
}

func TestPasswordStaysOutOfTheLog(tt *testing.T) {
	t := begin(tt)
	t.Needs(3)
	const password = "correct horse battery"
	var text bytes.Buffer
	var mu sync.Mutex
	for what, handler := range map[string]slog.Handler{
		"text": slog.NewTextHandler(locked{&mu, &text}, &slog.HandlerOptions{Level: slog.LevelDebug}),
		"JSON": slog.NewJSONHandler(locked{&mu, &text}, &slog.HandlerOptions{Level: slog.LevelDebug}),
	} {
		previous := slog.Default()
		slog.SetDefault(slog.New(handler)) // package log goes there too
		c, server := start(t, func(o *tcpclient.Options) { o.Logger = slog.New(handler) })
		login := tcpclient.Request{Type: tcpclient.TypeLogin, Username: "alice", Password: password}
		send(t, c, login)
		server.Expect(msg{"type": "login", "password": password})
		server.Reset()
		ends(t, c, "The server reset the connection")
		c.Send(context.Background(), login) // an error is no reason to tell it
		slog.SetDefault(previous)
		mu.Lock()
		for line := range strings.Lines(text.String()) {
			if strings.Contains(line, "horse battery") {
				t.Broken("A login was sent, and the log (%s) has its password: %s", what, line)
			}
		}
		mu.Unlock()
	}
}

type locked struct {
	mu *sync.Mutex
	w  io.Writer
}

func (l locked) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
