package robustclient_test

import (
	"bytes"
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

	robustclient "workbook.example/labs/06-robust-client"
	"workbook.example/tools/labtest"
)

// readAll reads until the end of the connection.
func readAll(conn net.Conn) <-chan []byte {
	all := make(chan []byte, 1)
	go func() {
		b, _ := io.ReadAll(conn)
		all <- b
	}()
	return all
}

// arrived is what has arrived at conn and nobody has read yet.
func arrived(conn net.Conn) []byte {
	conn.SetReadDeadline(time.Now().Add(time.Millisecond))
	defer conn.SetReadDeadline(time.Time{})
	b, _ := io.ReadAll(conn)
	return b
}

func TestSendAllSendsAll(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, conn, server := connected(n)
		all := readAll(server)
		var want []byte
		for _, size := range []int{1, 100, 4096, 1 << 20} {
			b := text(size)
			want = append(want, b...)
			if sent, err := client.SendAll(background, b); sent != size || err != nil {
				return fmt.Errorf("SendAll of %d bytes returned %d, %v; expected %d and no error.", size, sent, orNil(err), size)
			}
		}
		conn.Close()
		if got := <-all; !bytes.Equal(got, want) {
			return fmt.Errorf("%d bytes were sent, and the server got %d, or others.", len(want), len(got))
		}
		return nil
	}, labtest.ToServer.Bandwidth(1<<20))
}

func TestShortWriteIsFollowedByTheRest(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		n.MostPerWrite = 7
		client, conn, server := connected(n)
		all := readAll(server)
		want := text(1000)
		if sent, err := client.SendAll(background, want); sent != len(want) || err != nil {
			return fmt.Errorf("Each Write took 7 bytes, without an error. SendAll of %d bytes returned %d, %v; expected %d and no error.", len(want), sent, orNil(err), len(want))
		}
		conn.Close()
		if got := <-all; !bytes.Equal(got, want) {
			return fmt.Errorf("Each Write took 7 bytes, without an error. %d bytes were sent, and the server got %d, or others.", len(want), len(got))
		}
		return nil
	})
}

// A writer is a connection with another Write.
type writer struct {
	net.Conn
	write func([]byte) (int, error)
}

func (w writer) Write(b []byte) (int, error) { return w.write(b) }

func TestWriteThatTakesNothingIsAnError(tt *testing.T) {
	t := labtest.Begin(tt)
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	client := using(writer{near, func([]byte) (int, error) { return 0, nil }})
	t.Returns("SendAll, on a connection that takes nothing and gives no error,", func() {
		if n, err := client.SendAll(background, []byte("hello\n")); n != 0 || !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("Write took nothing and gave no error. SendAll returned %d, %v; expected 0 and io.ErrNoProgress.", n, orNil(err))
		}
	})
}

func TestSendAllOfNothingWritesNothing(tt *testing.T) {
	t := labtest.Begin(tt)
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	var writes atomic.Int32
	client := using(writer{near, func(b []byte) (int, error) { writes.Add(1); return len(b), nil }})
	for _, b := range [][]byte{nil, {}} {
		t.Returns("SendAll of nothing", func() {
			if n, err := client.SendAll(background, b); n != 0 || err != nil {
				t.Errorf("SendAll of no bytes returned %d, %v; expected 0 and no error: all of it was sent.", n, orNil(err))
			}
		})
	}
	if n := writes.Load(); n > 0 {
		t.Broken("SendAll of no bytes called Write %d times; expected never.", n)
	}
	if _, err := new(robustclient.Client).SendAll(background, nil); err != nil {
		t.Broken("SendAll of no bytes, of a client that is not connected, returned %v; expected no error: there is one exactly when n < len(b).", orNil(err))
	}
	if _, err := new(robustclient.Client).SendAll(background, []byte("x")); !errors.Is(err, robustclient.ErrNotConnected) {
		t.Broken("SendAll of a client that is not connected returned %v; expected ErrNotConnected.", orNil(err))
	}
}

func TestWholeSendHasOneDeadline(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, c := range []struct {
		what   string
		server func(net.Conn)
		most   int // per Write
		faults []labtest.Fault
	}{
		{"The server reads nothing", func(net.Conn) {}, 0, nil},
		{"The server takes 100 bytes a second", func(c net.Conn) { io.Copy(io.Discard, c) }, 0, []labtest.Fault{labtest.ToServer.Bandwidth(100)}},
		{"The server takes 100 bytes a second, each Write 50", func(c net.Conn) { io.Copy(io.Discard, c) }, 50, []labtest.Fault{labtest.ToServer.Bandwidth(100)}},
	} {
		onFakeTime(t, func(n *labtest.StreamNet) error {
			n.Buffer, n.MostPerWrite = 1000, c.most
			client, _, server := connected(n)
			go c.server(server)
			ctx, cancel := context.WithTimeout(background, time.Minute)
			defer cancel()
			var sent int
			var err error
			d := took(c.what+". SendAll, with a context whose deadline is 1m0s away,", func() { sent, err = client.SendAll(ctx, text(100_000)) })
			server.Close()
			if d != time.Minute {
				return fmt.Errorf("%s. The deadline of SendAll's context was 1m0s away, and it returned after %v.", c.what, d)
			}
			if !isEndOf(err) {
				return fmt.Errorf("%s. SendAll sent %d bytes in 1m0s, its deadline, and returned %v; expected context.DeadlineExceeded (to errors.Is).", c.what, sent, orNil(err))
			}
			return nil
		}, c.faults...)
	}
}

func TestCancelEndsSendAll(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		n.Buffer = 1000
		client, _, server := connected(n)
		ctx, cancel := context.WithCancel(background)
		time.AfterFunc(10*time.Second, cancel)
		var err error
		d := took("The server reads nothing. SendAll, cancelled after 10s,", func() { _, err = client.SendAll(ctx, text(5000)) })
		server.Close()
		if d != 10*time.Second || !errors.Is(err, context.Canceled) {
			return fmt.Errorf("The server reads nothing, and SendAll was cancelled after 10s. It returned %v after %v; expected context.Canceled (to errors.Is), at once.", orNil(err), d)
		}
		return nil
	})
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, _, server := connected(n)
		ctx, cancel := context.WithCancel(background)
		cancel()
		sent, err := client.SendAll(ctx, []byte("too late\n"))
		if got := arrived(server); sent != 0 || !errors.Is(err, context.Canceled) || len(got) > 0 {
			return fmt.Errorf("SendAll was called with a context that had been cancelled. It returned %d, %v, and the server got %q; expected 0, context.Canceled, and nothing.", sent, orNil(err), got)
		}
		return nil
	})
}

func TestSendAllSaysHowMuch(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, most := range []int{0, 300} {
		onFakeTime(t, func(n *labtest.StreamNet) error {
			n.Buffer, n.MostPerWrite = 1000, most
			client, _, server := connected(n)
			ctx, cancel := context.WithTimeout(background, time.Second)
			defer cancel()
			sent, err := client.SendAll(ctx, text(5000))
			got := arrived(server)
			if err == nil || sent != len(got) {
				return fmt.Errorf("SendAll of 5000 bytes was stopped by its deadline and returned %d, %v. The server got %d bytes; expected the same number.", sent, orNil(err), len(got))
			}
			if !bytes.Equal(got, text(len(got))) {
				return fmt.Errorf("SendAll of 5000 bytes was stopped by its deadline, and the server got %d bytes, which are not the first ones.", len(got))
			}
			return nil
		})
	}
	// A Write may say that it took all, and fail.
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	client := using(writer{near, func(b []byte) (int, error) { return min(len(b), 3), syscall.ECONNRESET }})
	t.Returns("SendAll", func() {
		if n, err := client.SendAll(background, []byte("hello\n")); n != 3 || !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("Write took 3 of 6 bytes and failed with %q. SendAll returned %d, %v; expected 3 and that error.", syscall.ECONNRESET, n, orNil(err))
		}
	})
	client = using(writer{near, func(b []byte) (int, error) { return len(b), syscall.ECONNRESET }})
	t.Returns("SendAll", func() {
		if n, err := client.SendAll(background, []byte("hello\n")); n != 6 || err != nil {
			t.Errorf("Write took all of 6 bytes and failed with %q. SendAll returned %d, %v; expected 6 and no error: there is one exactly when n < len(b).", syscall.ECONNRESET, n, orNil(err))
		}
	})
}

func TestCutMessageIsNotFollowedByAnother(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		n.Buffer = 1000
		client, _, server := connected(n)
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		sent, err := client.SendAll(ctx, text(5000)) // "pay 100" of "pay 1000"
		if err == nil {
			return fmt.Errorf("SendAll of 5000 bytes returned %d and no error, and the connection holds 1000.", sent)
		}
		got := len(arrived(server)) // there is room again
		n1, err := client.SendAll(background, []byte("the next message\n"))
		if after := arrived(server); len(after) > 0 {
			return fmt.Errorf("%d of 5000 bytes of a message were sent, and then SendAll was called with another one. The server got %q right behind the first part.", got, after)
		}
		if n1 != 0 || !errors.Is(err, robustclient.ErrPoisoned) {
			return fmt.Errorf("%d of 5000 bytes of a message were sent, and then SendAll was called with another one. It returned %d, %v; expected 0 and ErrPoisoned.", got, n1, orNil(err))
		}
		// A new connection begins anew.
		client.Drop()
		conn, fresh := n.Pair()
		if err := client.Use(conn); err != nil {
			return err
		}
		_, err = client.SendAll(background, []byte("hello\n"))
		if after := arrived(fresh); err != nil || string(after) != "hello\n" {
			return fmt.Errorf("On a new connection, after one that was cut in a message, SendAll of \"hello\\n\" returned %v, and the server got %q.", orNil(err), after)
		}
		return nil
	})
	// And when Write stops taking without an error.
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	var taken []byte
	room := 3
	client := using(writer{near, func(b []byte) (int, error) {
		k := min(len(b), room)
		taken, room = append(taken, b[:k]...), room-k
		return k, nil
	}})
	t.Returns("SendAll, on a connection that takes 3 bytes, then nothing, and gives no error,", func() {
		if n, err := client.SendAll(background, []byte("hello\n")); n != 3 || !errors.Is(err, io.ErrNoProgress) {
			t.Errorf("Write took 3 of 6 bytes, then nothing, and gave no error. SendAll returned %d, %v; expected 3 and io.ErrNoProgress.", n, orNil(err))
		}
	})
	room = 100
	t.Returns("SendAll, after one that stopped in the middle,", func() {
		if n, err := client.SendAll(background, []byte("next\n")); n != 0 || !errors.Is(err, robustclient.ErrPoisoned) {
			t.Errorf("Write took 3 of 6 bytes of a message, then nothing, and gave no error. SendAll of the next message returned %d, %v, and the server has got %q; expected 0 and ErrPoisoned.", n, orNil(err), taken)
		}
	})
}

func TestWhatWasNotBegunHarmsNothing(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		n.Buffer = 1000
		client, _, server := connected(n)
		if _, err := client.SendAll(background, text(1000)); err != nil { // now it is full
			return err
		}
		ctx, cancel := context.WithTimeout(background, time.Second)
		defer cancel()
		if sent, err := client.SendAll(ctx, []byte("no room\n")); sent != 0 || !isEndOf(err) {
			return fmt.Errorf("There was no room for a message until its deadline. SendAll returned %d, %v; expected 0 and context.DeadlineExceeded (to errors.Is).", sent, orNil(err))
		}
		arrived(server)
		_, err := client.SendAll(background, []byte("hello\n"))
		if got := arrived(server); err != nil || string(got) != "hello\n" {
			return fmt.Errorf("Nothing of a message was sent before its deadline. The next SendAll, with room, returned %v, and the server got %q; expected \"hello\\n\": nothing was cut.", orNil(err), got)
		}
		return nil
	})
}

// These two are on real time: who waits for a mutex does not let fake time go
// on.

func TestMessagesAreNotMixed(tt *testing.T) {
	t := labtest.Begin(tt)
	near, far := net.Pipe()
	defer far.Close()
	// The first Write takes a part and then waits for a while, until another one
	// comes: that of another message could.
	var writes atomic.Int32
	begun, another := make(chan struct{}), make(chan struct{})
	client := using(writer{near, func(b []byte) (int, error) {
		n, err := near.Write(b[:min(len(b), 5)])
		switch writes.Add(1) {
		case 1:
			close(begun)
			soon(another)
		case 2:
			close(another)
		}
		return n, err
	}})
	all := readAll(far)
	var wg sync.WaitGroup
	returned := make(chan error, 4)
	send := func(letter string) {
		wg.Go(func() {
			_, err := client.SendAll(background, []byte(strings.Repeat(letter, 99)+"\n"))
			returned <- err
		})
	}
	send("a")
	t.Returns("The first Write", func() {
		select {
		case <-begun:
		case err := <-returned:
			t.Broken("SendAll returned %v and has not called Write.", orNil(err))
		}
	})
	for _, letter := range []string{"b", "c", "d"} {
		send(letter)
	}
	t.Returns("SendAll, called by four goroutines at once,", wg.Wait)
	near.Close()
	lines := 0
	for line := range bytes.Lines(<-all) {
		lines++
		if len(line) != 100 || bytes.Count(line, line[:1]) != 99 {
			t.Broken("Four goroutines sent a line each, of 99 times the same letter, and each Write took 5 bytes. The server got the line %q.", line)
		}
	}
	if lines != 4 {
		t.Broken("Four goroutines sent a line each, and the server got %d.", lines)
	}
}

func TestSenderWaitsForItsTurnNoLongerThanItsContext(tt *testing.T) {
	t := labtest.Begin(tt)
	near, far := net.Pipe()
	defer near.Close()
	defer far.Close()
	begun := make(chan struct{})
	var once sync.Once
	client := using(writer{near, func(b []byte) (int, error) {
		once.Do(func() { close(begun) })
		return near.Write(b)
	}})
	first := make(chan error, 1)
	go func() { _, err := client.SendAll(background, []byte("first\n")); first <- err }()
	t.Returns("The Write of a SendAll", func() {
		select {
		case <-begun: // now it waits for the server
		case err := <-first:
			t.Broken("SendAll returned %v; the server had not read anything.", orNil(err))
		}
	})
	ctx, cancel := context.WithTimeout(background, 20*time.Millisecond)
	defer cancel()
	var err error
	t.Returns("SendAll, with a deadline, while another one waits for the server,", func() { _, err = client.SendAll(ctx, []byte("second\n")) })
	if !isEndOf(err) {
		t.Broken("One SendAll waited for the server. A second one, with a deadline, returned %v; expected context.DeadlineExceeded (to errors.Is).", orNil(err))
	}
	all := readAll(far)
	t.Returns("The first SendAll, when the server reads,", func() { err = <-first })
	near.Close()
	if got := <-all; err != nil || string(got) != "first\n" {
		t.Broken("One SendAll waited for the server, and a second one gave up waiting for its turn. The first one returned %v, and the server got %q; expected that it is not disturbed.", orNil(err), got)
	}
}

func TestSendAllLeavesNoDeadline(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, conn, server := connected(n)
		ctx, cancel := context.WithTimeout(background, time.Minute)
		defer cancel()
		if _, err := client.SendAll(ctx, []byte("hello\n")); err != nil {
			return err
		}
		cancel()
		time.Sleep(time.Hour)
		if _, err := conn.Write([]byte("later\n")); err != nil {
			return fmt.Errorf("SendAll succeeded within its deadline of 1m0s. An hour later a Write to the connection failed: %v.", orNil(err))
		}
		arrived(server)
		return nil
	})
	onFakeTime(t, func(n *labtest.StreamNet) error {
		client, conn, server := connected(n)
		conn.SetReadDeadline(time.Now().Add(time.Hour))
		ctx, cancel := context.WithTimeout(background, time.Minute)
		defer cancel()
		if _, err := client.SendAll(ctx, []byte("hello\n")); err != nil {
			return err
		}
		time.AfterFunc(2*time.Hour, func() { server.Close() })
		var err error
		d := took("A Read", func() { _, err = conn.Read(make([]byte, 1)) })
		if d != time.Hour {
			return fmt.Errorf("The connection had a read deadline 1h0m0s away, and SendAll was called. A Read then ended after %v (%v); expected that it ends after 1h0m0s, by its deadline: SendAll leaves that alone.", d, orNil(err))
		}
		return nil
	})
}

func TestLateCancelDoesNotHurtTheNextSend(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		n.Buffer = 10
		conn, server := n.Pair()
		// When the context ends, the Write is about to succeed: the server reads
		// while the deadline is being moved.
		client := using(slowDeadline{conn, func() { go io.ReadFull(server, make([]byte, 20)) }})
		ctx, cancel := context.WithCancel(background)
		time.AfterFunc(time.Second, cancel)
		client.SendAll(ctx, text(20))
		// Now there is room for 10 bytes; the last 5 of 15 wait for the server.
		time.AfterFunc(time.Minute, func() { io.ReadFull(server, make([]byte, 15)) })
		if _, err := client.SendAll(background, text(15)); err != nil && !errors.Is(err, robustclient.ErrPoisoned) {
			return fmt.Errorf("A context ended at the very moment when what it was for succeeded. The next SendAll, with a context that does not end, returned %v.", orNil(err))
		}
		return nil
	})
}

func TestRealConnectionThatIsStuckOrReset(tt *testing.T) {
	t := labtest.Begin(tt)
	server := t.Server("server")
	conn, err := net.Dial("tcp", server.Addr())
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	defer conn.Close()
	client := using(conn)
	peer := server.Accept("server")
	ctx, cancel := context.WithTimeout(background, 50*time.Millisecond)
	defer cancel()
	message := make([]byte, 16<<20)
	var sent int
	t.Returns("SendAll, with a deadline and a server that reads nothing,", func() { sent, err = client.SendAll(ctx, message) })
	if err == nil || sent == len(message) {
		t.Broken("The server reads nothing, and SendAll of 16 MiB returned %d, %v.", sent, orNil(err))
	}
	client.Drop()
	peer.Conn().SetReadDeadline(time.Now().Add(labtest.Patience))
	if got, err := io.Copy(io.Discard, peer.Conn()); int(got) != sent || err != nil {
		t.Broken("SendAll was stopped by its deadline and returned %d. When the server read on, it got %d bytes (%v); expected the same number.", sent, got, orNil(err))
	}

	conn, err = net.Dial("tcp", server.Addr())
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	defer conn.Close()
	client = using(conn)
	peer = server.Accept("server again")
	peer.Reset()
	t.Returns("SendAll, to a server that has reset the connection,", func() { sent, err = client.SendAll(background, message) })
	if err == nil || sent == len(message) {
		t.Broken("The server has reset the connection, and SendAll of 16 MiB returned %d, %v; expected an error.", sent, orNil(err))
	}
}
