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
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	robustclient "workbook.example/labs/06-robust-client"
	"workbook.example/tools/labtest"
)

func TestLinesComeOneByOne(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, c := range []struct {
		what   string
		faults []labtest.Fault
	}{
		{"all at once", nil},
		{"in pieces of 1 to 5 bytes", []labtest.Fault{labtest.ToClient.Fragment(1, 5)}},
		{"in pieces of 1000 bytes", []labtest.Fault{labtest.ToClient.Fragment(1000, 1000)}},
	} {
		onFakeTime(t, func(n *labtest.StreamNet) error {
			client, _, server := connected(n)
			want := []string{"one", "two", "", "a\rb\r", strings.Repeat("x", 9000), "the end"}
			go io.WriteString(server, "one\ntwo\r\n\na\rb\r\r\n"+want[4]+"\n"+want[5]+"\n")
			for i, line := range want {
				got, err := client.Receive(background, time.Minute, time.Minute)
				if err != nil || string(got) != line {
					if line == want[3] {
						return fmt.Errorf("The server sent \"a\\rb\\r\\r\\n\", which came %s. Receive returned %.40q, %v; expected %q, without its LF and without one CR before that.", c.what, got, orNil(err), line)
					}
					return fmt.Errorf("The server sent six lines, which came %s. Receive number %d returned %.40q, %v; expected %.40q.", c.what, i+1, got, orNil(err), line)
				}
			}
			return nil
		}, c.faults...)
	}
	// A Read may bring the last bytes and the end at once (io.Reader).
	onFakeTime(t, func(n *labtest.StreamNet) error {
		conn, _ := n.Pair()
		client := using(&lastWords{conn, "one\ntwo\nthr"})
		for _, want := range []string{"one", "two"} {
			if line, err := client.Receive(background, time.Minute, time.Minute); err != nil || string(line) != want {
				return fmt.Errorf("One Read brought \"one\\ntwo\\nthr\" together with io.EOF. Receive returned %q, %v; expected %q: the end comes after what came with it.", line, orNil(err), want)
			}
		}
		if line, err := client.Receive(background, time.Minute, time.Minute); !errors.Is(err, io.ErrUnexpectedEOF) {
			return fmt.Errorf("One Read brought \"one\\ntwo\\nthr\" together with io.EOF. The third Receive returned %q, %v; expected io.ErrUnexpectedEOF.", line, orNil(err))
		}
		return nil
	})
}

// lastWords is a connection on which all comes with one Read, and its end too.
type lastWords struct {
	net.Conn
	text string
}

func (c *lastWords) Read(b []byte) (int, error) {
	n := copy(b, c.text)
	if c.text = c.text[n:]; c.text != "" {
		return n, nil
	}
	return n, io.EOF
}

func TestWhatAReceiveReturnedStays(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, _, server := connected(n)
		var got [][]byte
		for i := range 50 {
			fmt.Fprintf(server, "this is line number %d\n", i)
			line, err := client.Receive(background, time.Minute, 0)
			if err != nil {
				return err
			}
			got = append(got, line)
		}
		for i, line := range got {
			if want := fmt.Sprintf("this is line number %d", i); string(line) != want {
				return fmt.Errorf("Receive returned %q, and after later calls of Receive the same bytes say %q.", want, line)
			}
		}
		return nil
	})
}

// outcomes of a Receive, and what says which it is.
var outcomes = []struct {
	name string
	is   error
}{
	{"os.ErrDeadlineExceeded", os.ErrDeadlineExceeded},
	{"io.EOF", io.EOF},
	{"io.ErrUnexpectedEOF", io.ErrUnexpectedEOF},
	{"ECONNRESET", syscall.ECONNRESET},
}

func TestSlowGoneAndBrokenAreThreeThings(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, c := range []struct {
		what   string
		server func(*labtest.StreamConn)
		want   string
	}{
		{"The server said nothing", func(*labtest.StreamConn) {}, "os.ErrDeadlineExceeded"},
		{"The server sent half a line and no more", func(s *labtest.StreamConn) { s.Write([]byte("hal")) }, "os.ErrDeadlineExceeded"},
		{"The server ended the connection", func(s *labtest.StreamConn) { s.CloseWrite() }, "io.EOF"},
		{"The server ended the connection in the middle of a line", func(s *labtest.StreamConn) { s.Write([]byte("hal")); s.CloseWrite() }, "io.ErrUnexpectedEOF"},
		{"The connection was reset", func(s *labtest.StreamConn) { s.Reset() }, "ECONNRESET"},
	} {
		onFakeTime(t, func(n *labtest.StreamNet) error {
			client, _, server := connected(n)
			c.server(server)
			line, err := client.Receive(background, time.Second, time.Minute)
			for _, o := range outcomes {
				if errors.Is(err, o.is) != (o.name == c.want) {
					return fmt.Errorf("%s. Receive returned %q, %v; expected %s and none of the others (to errors.Is).", c.what, line, orNil(err), c.want)
				}
			}
			return nil
		})
	}
}

func TestTrickleDoesNotMoveTheEnd(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, _, server := connected(n)
		go func() {
			for {
				if _, err := server.Write([]byte("x")); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		var err error
		d := took("The server sent a byte a second and never a whole line. Receive, with a total of 1m0s,", func() { _, err = client.Receive(background, 5*time.Second, time.Minute) })
		client.Drop()
		if d != time.Minute || !isTimeout(err) {
			return fmt.Errorf("The server sent a byte a second and never a whole line. With a total of 1m0s, Receive returned %v after %v; expected os.ErrDeadlineExceeded after 1m0s.", orNil(err), d)
		}
		return nil
	})
	// The wait for another Receive counts; on real time, because of mutexes.
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	reading := make(chan struct{})
	var once sync.Once
	client := using(reader{near, func(b []byte) (int, error) {
		once.Do(func() { close(reading) })
		return near.Read(b)
	}})
	first := make(chan error, 1)
	go func() { _, err := client.Receive(background, 0, 0); first <- err }()
	t.Returns("The Read of a Receive", func() {
		select {
		case <-reading:
		case err := <-first:
			t.Broken("Receive returned %v; the server had not sent anything.", orNil(err))
		}
	})
	var err error
	t.Returns("Receive, with a total of 20ms, while another one waits for the server,", func() { _, err = client.Receive(background, 0, 20*time.Millisecond) })
	if !isTimeout(err) {
		t.Broken("One Receive waited for the server. A second one, with a total of 20ms, returned %v; expected os.ErrDeadlineExceeded.", orNil(err))
	}
	far.Close()
	t.Returns("The first Receive, when the server ends,", func() { <-first })
}

// A reader is a connection with another Read.
type reader struct {
	net.Conn
	read func([]byte) (int, error)
}

func (r reader) Read(b []byte) (int, error) { return r.read(b) }

func TestSilenceIsNoticed(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, _, server := connected(n)
		time.AfterFunc(4*time.Second, func() { server.Write([]byte("hal")) })
		var err error
		d := took("The server sent half a line and then nothing. Receive, with an idle of 5s,", func() { _, err = client.Receive(background, 5*time.Second, time.Hour) })
		if d != 9*time.Second || !isTimeout(err) {
			return fmt.Errorf("The server sent half a line after 4s and then nothing. With an idle of 5s, Receive returned %v after %v; expected os.ErrDeadlineExceeded after 9s.", orNil(err), d)
		}
		return nil
	})
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, _, server := connected(n)
		go func() {
			for _, b := range []byte("slowly, but surely\n") {
				time.Sleep(4 * time.Second)
				server.Write([]byte{b})
			}
		}()
		line, err := client.Receive(background, 5*time.Second, 0)
		if err != nil || string(line) != "slowly, but surely" {
			return fmt.Errorf("The server sent a byte every 4s. With an idle of 5s and no total, Receive returned %q, %v; expected the line.", line, orNil(err))
		}
		return nil
	})
}

func TestTimeoutLosesNothing(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, _, server := connected(n)
		cancelled, cancel := context.WithCancel(background)
		defer cancel()
		for i, part := range []string{"one\nfirst, ", "second, ", "third"} {
			server.Write([]byte(part))
			if i == 0 {
				if line, err := client.Receive(background, time.Second, time.Second); string(line) != "one" {
					return fmt.Errorf("The server sent %q, and Receive returned %q, %v.", part, line, orNil(err))
				}
			}
			ctx := background
			if i == 1 {
				time.AfterFunc(time.Millisecond, cancel)
				ctx = cancelled
			}
			if line, err := client.Receive(ctx, 0, time.Second); err == nil {
				return fmt.Errorf("There was no whole line, and Receive returned %q.", line)
			}
		}
		cancel()
		server.Write([]byte(".\ntwo\n"))
		for _, want := range []string{"first, second, third.", "two"} {
			line, err := client.Receive(background, time.Second, time.Second)
			if err != nil || string(line) != want {
				return fmt.Errorf("The line \"first, second, third.\" came in four parts, with a timeout, a cancelled call and another timeout between them. After that Receive returned %q, %v; expected %q.", line, orNil(err), want)
			}
		}
		return nil
	})
}

func TestReceiveLeavesNoDeadline(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, c := range []struct {
		what string
		send string
	}{{"succeeded", "hello\n"}, {"was timed out", ""}} {
		onFakeTime(t, func(n *labtest.StreamNet) error {
			client, conn, server := connected(n)
			server.Write([]byte(c.send))
			ctx, cancel := context.WithTimeout(background, time.Minute)
			defer cancel()
			client.Receive(ctx, time.Second, 2*time.Second)
			time.AfterFunc(time.Hour, func() { server.Write([]byte("later\n")) })
			b := make([]byte, 10)
			var k int
			var err error
			d := took("The server sent a line an hour after a Receive, and a Read from the connection did not get it (a Read that Receive began may still wait there). That Read", func() { k, err = conn.Read(b) })
			if err == nil && (d != time.Hour || string(b[:k]) != "later\n") {
				return fmt.Errorf("A Receive with a total of 2s %s, and an hour later the server sent \"later\\n\". A Read from the connection got %q after %v; expected all of that: a Read that Receive began must not wait there still.", c.what, b[:k], d)
			}
			if err != nil {
				return fmt.Errorf("A Receive with a total of 2s %s. A Read from the connection after it failed: %v; expected that it waits for the server, without a deadline.", c.what, orNil(err))
			}
			return nil
		})
	}
}

func TestReceiveDoesNotTouchSending(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		n.Buffer = 10
		client, conn, server := connected(n)
		written := make(chan error, 1)
		go func() { _, err := conn.Write(text(20)); written <- err }()
		time.Sleep(time.Millisecond) // now that waits for the server
		client.Receive(background, time.Second, 2*time.Second)
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		client.Receive(ctx, 0, 0)
		time.AfterFunc(time.Minute, func() { io.ReadFull(server, make([]byte, 20)) })
		if err := <-written; err != nil {
			return fmt.Errorf("While a Write waited for the server, a Receive was timed out. The Write failed with %v; expected that it goes on.", orNil(err))
		}
		return nil
	})
}

func TestCancelEndsReceive(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, _, server := connected(n)
		ctx, cancel := context.WithCancel(background)
		time.AfterFunc(10*time.Second, cancel)
		var err error
		time.AfterFunc(5*time.Second, func() { server.Write([]byte("hal")) })
		d := took("Receive, cancelled after 10s,", func() { _, err = client.Receive(ctx, 7*time.Second, time.Hour) })
		if d != 10*time.Second || !errors.Is(err, context.Canceled) {
			return fmt.Errorf("Receive was cancelled after 10s. It returned %v after %v; expected context.Canceled (to errors.Is), at once.", orNil(err), d)
		}
		server.Write([]byte("f\n"))
		if line, err := client.Receive(background, 0, time.Second); string(line) != "half" {
			return fmt.Errorf("Receive was cancelled in the middle of a line. The next one returned %q, %v; expected \"half\".", line, orNil(err))
		}
		return nil
	})
	onFakeTime(t, func(n *labtest.StreamNet) error {
		conn, _ := n.Pair()
		ctx, cancel := context.WithCancel(background)
		time.AfterFunc(time.Second, cancel)
		client := using(overtaken{conn, cancel})
		var err error
		if d := took("Receive, cancelled just as it set a deadline,", func() { _, err = client.Receive(ctx, time.Hour, time.Hour) }); d > time.Minute || !errors.Is(err, context.Canceled) {
			return fmt.Errorf("Receive was cancelled just as it set the deadline of its Read to an hour from then. It returned %v after %v; expected context.Canceled (to errors.Is), at once: who sets the deadline last wins.", orNil(err), d)
		}
		return nil
	})
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, _, _ := connected(n)
		ctx, cancel := context.WithTimeout(background, time.Minute)
		defer cancel()
		var err error
		if d := took("Receive, with a context whose deadline is 1m0s away,", func() { _, err = client.Receive(ctx, 0, time.Hour) }); d != time.Minute || !isEndOf(err) {
			return fmt.Errorf("The deadline of Receive's context was 1m0s away, and the server said nothing. It returned %v after %v; expected context.DeadlineExceeded (to errors.Is) after 1m0s.", orNil(err), d)
		}
		return nil
	})
}

// An overtaken connection lets a context end just before a deadline is set.
type overtaken struct {
	net.Conn
	cancel func()
}

func (c overtaken) SetReadDeadline(at time.Time) error {
	if at.After(time.Now()) {
		c.cancel()
		time.Sleep(time.Millisecond) // so that who wakes for it is there first
	}
	return c.Conn.SetReadDeadline(at)
}

// A cancelling connection cancels a context at the very moment when a Read
// succeeds.
type cancelling struct {
	net.Conn
	cancel func()
}

func (c cancelling) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.cancel()
	return n, err
}

func TestLateCancelDoesNotHurtTheNextReceive(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		conn, server := n.Pair()
		ctx, cancel := context.WithCancel(background)
		client := using(cancelling{slowDeadline{conn, func() {}}, cancel})
		server.Write([]byte("one\n"))
		line, err := client.Receive(ctx, 0, 0)
		if err == nil && string(line) != "one" {
			return fmt.Errorf("The server sent \"one\\n\", and Receive returned %q.", line)
		}
		want := "two"
		if err != nil { // it may have preferred to be cancelled, and then nothing is lost
			want = "one"
		}
		time.AfterFunc(time.Minute, func() { server.Write([]byte("two\n")) })
		line, err = client.Receive(background, 0, 0)
		if err != nil || string(line) != want {
			return fmt.Errorf("A context ended at the very moment when what it was for succeeded. The next Receive, with a context that does not end, returned %q, %v; expected %q.", line, orNil(err), want)
		}
		return nil
	})
}

func TestLineWithoutEndIsRefused(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		n.Buffer = 4 * robustclient.MaxLine // so that the LF may come in the same piece
		client, _, server := connected(n)
		server.Write(slices.Concat([]byte("first\n"), bytes.Repeat([]byte("x"), robustclient.MaxLine), []byte("\n")))
		if line, err := client.Receive(background, time.Second, 0); string(line) != "first" {
			return fmt.Errorf("The server sent \"first\\n\" and a line that is too long. Receive returned %.20q, %v; expected \"first\".", line, orNil(err))
		}
		if line, err := client.Receive(background, time.Second, 0); !errors.Is(err, robustclient.ErrTooLong) {
			return fmt.Errorf("The server sent a line of %d bytes, its LF included, which is one more than MaxLine. Receive returned a line of %d bytes, %v; expected ErrTooLong.", robustclient.MaxLine+1, len(line), orNil(err))
		}
		return nil
	})
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, _, server := connected(n)
		longest := bytes.Repeat([]byte("x"), robustclient.MaxLine-1)
		go server.Write(append(append([]byte("first\n"), longest...), "\nnext\n"...))
		for _, want := range []string{"first", string(longest), "next"} {
			if line, err := client.Receive(background, time.Second, 0); err != nil || string(line) != want {
				return fmt.Errorf("The server sent a line of %d bytes, its LF included, which is MaxLine. Receive returned %.20q… (%d bytes), %v; expected a line of %d bytes.", robustclient.MaxLine, line, len(line), orNil(err), len(want))
			}
		}
		return nil
	})
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, _, server := connected(n)
		var sent atomic.Int64
		go func() {
			for {
				n, err := server.Write(bytes.Repeat([]byte("x"), 4096))
				sent.Add(int64(n))
				if err != nil {
					return
				}
			}
		}()
		_, err := client.Receive(background, time.Second, 2*time.Second)
		client.Drop()
		time.Sleep(time.Second)
		if !errors.Is(err, robustclient.ErrTooLong) {
			return fmt.Errorf("The server sent bytes without an LF among them, on and on. Receive returned %v; expected ErrTooLong.", orNil(err))
		}
		if most := 2*robustclient.MaxLine + labtest.DefaultStreamBuffer + 8192; sent.Load() > int64(most) {
			return fmt.Errorf("The server sent bytes without an LF among them, on and on, and it could send %d of them before Receive returned ErrTooLong; MaxLine is %d.", sent.Load(), robustclient.MaxLine)
		}
		return nil
	}, labtest.ToClient.Bandwidth(1<<20))
}

func TestRealServerThatIsSlowGoneOrBroken(tt *testing.T) {
	t := labtest.Begin(tt)
	server := t.Server("server")
	join := func(name string) (*robustclient.Client, *labtest.Peer) {
		conn, err := net.Dial("tcp", server.Addr())
		if err != nil {
			t.Fatalf("dial: %v", err)
		}
		t.Cleanup(func() { conn.Close() })
		return using(conn), server.Accept(name)
	}
	receive := func(client *robustclient.Client, idle time.Duration) (line []byte, err error) {
		t.Returns("Receive", func() { line, err = client.Receive(background, idle, labtest.Patience/2) })
		return line, err
	}
	client, slow := join("slow")
	slow.SendRaw([]byte("hal"))
	if line, err := receive(client, 30*time.Millisecond); !isTimeout(err) {
		t.Broken("The server sent half a line. Receive, with an idle of 30ms, returned %q, %v; expected os.ErrDeadlineExceeded.", line, orNil(err))
	}
	slow.SendRaw([]byte("f\n"))
	if line, err := receive(client, 0); err != nil || string(line) != "half" {
		t.Broken("The server sent the other half. Receive returned %q, %v; expected \"half\".", line, orNil(err))
	}
	slow.CloseWrite()
	if line, err := receive(client, 0); !errors.Is(err, io.EOF) {
		t.Broken("The server ended the connection. Receive returned %q, %v; expected io.EOF.", line, orNil(err))
	}
	client, broken := join("broken")
	broken.Reset()
	if line, err := receive(client, 0); err == nil || isTimeout(err) || errors.Is(err, io.EOF) {
		t.Broken("The server reset the connection. Receive returned %q, %v; expected ECONNRESET.", line, orNil(err))
	}
}
