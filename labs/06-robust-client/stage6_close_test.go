package robustclient_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"slices"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	robustclient "workbook.example/labs/06-robust-client"
	"workbook.example/tools/labtest"
)

// plenty is more than any server of these tests sends.
const plenty = 1 << 20

func TestServerHearsAllAndAnswersLast(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, conn, server := connected(n)
		conn.Write([]byte("my last words\n"))
		heard := make(chan string, 1)
		go func() { // answers when it has heard all
			all, err := io.ReadAll(server)
			heard <- fmt.Sprintf("%q, %v", all, orEOF(err))
			if err == nil {
				server.Write([]byte("and goodbye\n"))
			}
			server.Close()
		}()
		var tail []byte
		var err error
		d := took("CloseGracefully, where the server answers when it hears the end,", func() { tail, err = client.CloseGracefully(background, plenty) })
		if got := <-heard; got != `"my last words\n", EOF` {
			return fmt.Errorf("The client sent \"my last words\\n\" and closed. The server read %s; expected that and then the end.", got)
		}
		if string(tail) != "and goodbye\n" || err != nil || d > time.Second {
			return fmt.Errorf("The server answered \"and goodbye\\n\" when it heard the end, and ended too. CloseGracefully returned the tail %q and %v after %v; expected that answer, at once.", tail, orNil(err), d)
		}
		return nil
	}, labtest.ToServer.Delay(20*time.Millisecond, 20*time.Millisecond), labtest.ToClient.Delay(20*time.Millisecond, 20*time.Millisecond))
}

func TestTailIsAllThatWasNotReceived(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(5)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, _, server := connected(n)
		server.Write([]byte("one\ntwo\nthr")) // in one piece
		if line, err := client.Receive(background, time.Second, 0); string(line) != "one" {
			return fmt.Errorf("Receive returned %q, %v.", line, orNil(err))
		}
		go func() {
			time.Sleep(time.Second)
			server.Write([]byte("ee\n"))
			server.CloseWrite()
		}()
		tail, err := client.CloseGracefully(background, plenty)
		if string(tail) != "two\nthree\n" || err != nil {
			return fmt.Errorf("The server sent \"one\\ntwo\\nthr\", Receive was called once, and then \"ee\\n\" came, and the end. CloseGracefully returned the tail %q and %v; expected \"two\\nthree\\n\".", tail, orNil(err))
		}
		return nil
	})
}

func TestServerThatNeverEndsHoldsNobody(tt *testing.T) {
	t := labtest.Begin(tt)
	dribble := func(c net.Conn) {
		for {
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}
	for _, c := range []struct {
		what    string
		server  func(net.Conn)
		timeout time.Duration
		want    time.Duration
	}{
		{"The server sends a byte a second", dribble, 20 * time.Second, 20 * time.Second},
		{"The server says nothing", func(net.Conn) {}, 20 * time.Second, 20 * time.Second},
		{"The server says nothing, and CloseTimeout is not set", func(net.Conn) {}, 0, robustclient.DefaultCloseTimeout},
	} {
		onFakeTime(t, func(n *labtest.StreamNet) error {
			client, _, server := connected(n)
			client.CloseTimeout = c.timeout
			go c.server(server)
			closed := make(chan error, 1)
			begin := time.Now()
			go func() { _, err := client.CloseGracefully(background, plenty); closed <- err }()
			select {
			case err := <-closed:
				if d := time.Since(begin); d != c.want || !errors.Is(err, context.DeadlineExceeded) {
					return fmt.Errorf("%s, and never ends. With a CloseTimeout of %v, CloseGracefully returned %v after %v; expected context.DeadlineExceeded (to errors.Is) after %v.", c.what, c.want, orNil(err), d, c.want)
				}
			case <-time.After(time.Hour):
				server.Close()
				return fmt.Errorf("%s, and never ends. With a CloseTimeout of %v, CloseGracefully has not returned after an hour.", c.what, c.want)
			}
			if state := stateOf(server); state == "open" {
				return fmt.Errorf("%s, and never ends. CloseGracefully has returned, and the connection is still open.", c.what)
			}
			server.Close()
			return nil
		})
	}
}

func TestCancelEndsTheClose(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, _, server := connected(n)
		client.CloseTimeout = time.Hour
		ctx, cancel := context.WithCancel(background)
		time.AfterFunc(time.Second, func() { server.Write([]byte("wait")) })
		time.AfterFunc(10*time.Second, cancel)
		var tail []byte
		var err error
		if d := took("The server does not end. CloseGracefully, cancelled after 10s,", func() { tail, err = client.CloseGracefully(ctx, plenty) }); d != 10*time.Second || !errors.Is(err, context.Canceled) {
			return fmt.Errorf("The server does not end. CloseGracefully was cancelled after 10s and returned %v after %v; expected context.Canceled (to errors.Is), at once.", orNil(err), d)
		}
		if string(tail) != "wait" {
			return fmt.Errorf("The server sent \"wait\" and did not end. CloseGracefully was cancelled and returned the tail %q; expected what had come.", tail)
		}
		if state := stateOf(server); state == "open" {
			return errors.New("CloseGracefully was cancelled, and the connection is still open.")
		}
		return nil
	})
}

func TestFloodIsBounded(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, _, server := connected(n)
		client.CloseTimeout = 2 * time.Second
		var sent atomic.Int64
		go func() {
			for {
				k, err := server.Write(text(4096))
				if sent.Add(int64(k)); err != nil {
					return
				}
			}
		}()
		const most = 10_000
		var tail []byte
		var err error
		d := took("The server sends without end. CloseGracefully", func() { tail, err = client.CloseGracefully(background, most) })
		time.Sleep(time.Second)
		if !errors.Is(err, robustclient.ErrTailTooLong) {
			return fmt.Errorf("The server sends without end. CloseGracefully, with at most %d bytes, returned %d bytes and %v after %v; expected ErrTailTooLong.", most, len(tail), orNil(err), d)
		}
		if len(tail) > most {
			return fmt.Errorf("The server sends without end. CloseGracefully, with at most %d bytes, returned a tail of %d.", most, len(tail))
		}
		if sent.Load() > most+2*labtest.DefaultStreamBuffer+8192 {
			return fmt.Errorf("The server sends without end. CloseGracefully, with at most %d bytes, read on until the server had sent %d.", most, sent.Load())
		}
		return nil
	}, labtest.ToClient.Bandwidth(1<<20))
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, _, server := connected(n)
		server.Write([]byte("12345"))
		server.CloseWrite()
		if tail, err := client.CloseGracefully(background, 5); err != nil || string(tail) != "12345" {
			return fmt.Errorf("The server sent 5 bytes and ended. CloseGracefully, with at most 5 bytes, returned %q, %v; expected them and no error.", tail, orNil(err))
		}
		return nil
	})
}

func TestBrokenConnectionIsReported(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, _, server := connected(n)
		time.AfterFunc(time.Second, server.Reset)
		tail, err := client.CloseGracefully(background, plenty)
		if !errors.Is(err, syscall.ECONNRESET) {
			return fmt.Errorf("The server reset the connection while the client closed it. CloseGracefully returned %q, %v; expected ECONNRESET (to errors.Is).", tail, orNil(err))
		}
		if client.Connected() {
			return errors.New("The server reset the connection while the client closed it. Afterwards the client says that it is connected.")
		}
		return nil
	})
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, _, server := connected(n)
		server.Reset() // before
		if _, err := client.CloseGracefully(background, plenty); err == nil {
			return errors.New("The server had reset the connection. CloseGracefully returned no error.")
		}
		if client.Connected() {
			return errors.New("The server had reset the connection. After CloseGracefully the client says that it is connected.")
		}
		return nil
	})
}

func TestClosedClientCanConnectAgain(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, conn, server := connected(n)
		server.CloseWrite()
		if _, err := client.CloseGracefully(background, plenty); err != nil {
			return fmt.Errorf("The server ended first. CloseGracefully returned %v; expected no error.", orNil(err))
		}
		if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
			return fmt.Errorf("After CloseGracefully a Read from the connection gives %v; expected net.ErrClosed.", orNil(err))
		}
		if tail, err := client.CloseGracefully(background, plenty); !errors.Is(err, robustclient.ErrNotConnected) {
			return fmt.Errorf("CloseGracefully was called once more, without a connection. It returned %q, %v; expected ErrNotConnected.", tail, orNil(err))
		}
		next, _ := n.Pair()
		if err := client.Use(next); err != nil || !client.Connected() {
			return fmt.Errorf("After CloseGracefully the client does not take a new connection: %v.", orNil(err))
		}
		client.Drop()
		return nil
	})
	// Without CloseWrite there is no half-close.
	near, far := net.Pipe()
	defer far.Close()
	client := using(near)
	t.Returns("CloseGracefully, on a connection without CloseWrite,", func() {
		if tail, err := client.CloseGracefully(background, plenty); len(tail) > 0 || err != nil {
			t.Errorf("CloseGracefully of a connection without CloseWrite returned %q, %v; expected no tail and no error: it is just closed.", tail, orNil(err))
		}
	})
	if client.Connected() {
		t.Broken("After CloseGracefully of a connection without CloseWrite the client says that it is connected.")
	}
	far.SetReadDeadline(time.Now().Add(labtest.Patience))
	if _, err := far.Read(make([]byte, 1)); errors.Is(err, os.ErrDeadlineExceeded) {
		t.Broken("CloseGracefully left a connection without CloseWrite open.")
	}
}

func TestWaitingReceiveEndsWithTheConnection(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(5)
	client, _, server := connected(t.StreamNet("network")) // on real time
	defer server.Close()
	var got []string
	ended := make(chan error, 1)
	go func() { // as a program does that shows what comes
		for {
			line, err := client.Receive(background, 0, 0)
			if err != nil {
				ended <- err
				return
			}
			got = append(got, string(line))
			if len(got) == 1 {
				go func() { // answers the end
					io.Copy(io.Discard, server)
					server.Write([]byte("goodbye\n"))
					server.Close()
				}()
				ended <- nil
			}
		}
	}()
	server.Write([]byte("hello\n"))
	t.Returns("Receive, when a line came,", func() { <-ended })
	var tail []byte
	var err error
	t.Returns("CloseGracefully, while a Receive waits,", func() { tail, err = client.CloseGracefully(background, plenty) })
	if err != nil {
		t.Broken("A Receive waited, CloseGracefully was called, and the server said \"goodbye\" and ended. CloseGracefully returned %v.", orNil(err))
	}
	t.Returns("A Receive that waited, after CloseGracefully,", func() { err = <-ended })
	if slices.Contains(got, "goodbye") == bytes.Contains(tail, []byte("goodbye")) {
		t.Broken("A Receive waited, CloseGracefully was called, and the server said \"goodbye\" and ended. Receive returned the lines %q (%v), and the tail is %q; expected it in one of them.", got, orNil(err), tail)
	}
}

func TestRealServerLosesNothing(tt *testing.T) {
	t := labtest.Begin(tt)
	server := t.Server("server")
	message := bytes.Repeat([]byte("0123456789abcde\n"), 4096)
	// What the client leaves unread when it closes turns its close into a reset,
	// which can overtake what it has sent. Whether it does is a race: hence the
	// many tries.
	for try := range 20 {
		conn, err := net.Dial("tcp", server.Addr())
		if err != nil {
			t.Fatalf("dial: %v", err)
		}
		client := using(conn)
		peer := server.Accept(fmt.Sprintf("server%d", try+1))
		go func() {
			peer.Conn().Write([]byte("one moment\n"))
			conn.Write(message)
			client.CloseGracefully(background, plenty)
			conn.Close() // if it did not: the server waits for it
		}()
		peer.Conn().SetReadDeadline(time.Now().Add(labtest.Patience))
		got, err := io.ReadAll(peer.Conn())
		if err != nil || !bytes.Equal(got, message) {
			t.Broken("The client sent %d bytes and closed. The server, which was sending too, got %d of them and then %v; expected all and io.EOF.", len(message), len(got), orEOF(orNil(err)))
		}
		peer.Close()
	}
}

func orEOF(err error) error {
	if err == nil {
		return io.EOF
	}
	return err
}
