package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"sync/atomic"
	"time"

	robustclient "workbook.example/labs/06-robust-client"
)

// maxTail is how many bytes the server may still send after the end.
const maxTail = 1 << 20

// A sender brings lines to a server, over as many connections as it takes.
type sender struct {
	client *robustclient.Client
	name   string        // with which to log in to a chat server; "" for none
	reply  time.Duration // for one line

	closing atomic.Bool   // the end of the connection is what we want
	lost    chan error    // has the end of a connection
	answers chan string   // has the ids of lines that a chat server has answered
	reading chan struct{} // closed when nobody receives
	began   time.Time     // the present series of attempts

	unanswered bool // something was sent over this connection, and no answer to it is known

	connected time.Time     // the last connection
	brief     int           // connections in a row that did not last
	waited    time.Duration // before the last of them
}

// lasting is how long a connection must last to count as a good one.
const lasting = 10 * time.Second

func newSender(c *robustclient.Client) *sender {
	s := &sender{client: c, lost: make(chan error, 1), answers: make(chan string, 16), reading: make(chan struct{})}
	close(s.reading)
	c.OnAttempt = s.showAttempt
	return s
}

// run sends the lines of in until it ends, or ctx does.
func (s *sender) run(ctx context.Context, in io.Reader) error {
	if s.name != "" {
		s.client.Handshake = s.login
	}
	say("rsend sends lines to %s; Ctrl-D ends it", s.client.Addr)
	lines := make(chan string)
	ended := make(chan error, 1)
	over, isOver := context.WithCancel(context.Background()) // ended has a value
	go func() {
		defer isOver()
		scan := bufio.NewScanner(in)
		for scan.Scan() {
			lines <- scan.Text()
		}
		err := scan.Err()
		if err != nil {
			err = fmt.Errorf("standard input, where a line may have %d KiB: %w", bufio.MaxScanTokenSize>>10, err)
		}
		ended <- err
	}()
	// reconnect connects while there is no line to send, unless there will be none.
	reconnect := func() error {
		idle, cancel := context.WithCancel(ctx)
		defer cancel()
		defer context.AfterFunc(over, cancel)()
		err := s.connect(idle)
		if err != nil && over.Err() != nil && ctx.Err() == nil {
			say("nothing is left to send")
			return nil
		}
		return err
	}
	if err := reconnect(); err != nil {
		return s.giveUp(ctx, err)
	}
	for number := 1; ; {
		select {
		case line := <-lines:
			if err := s.deliver(ctx, number, line); err != nil {
				return s.giveUp(ctx, fmt.Errorf("line %d may not have arrived: %w", number, err))
			}
			number++
		case err := <-s.lost:
			s.showLost(err)
			if err := reconnect(); err != nil {
				return s.giveUp(ctx, err)
			}
		case err := <-ended:
			return errors.Join(err, s.end(ctx))
		case <-ctx.Done():
			return s.end(context.WithoutCancel(ctx))
		}
	}
}

// connect connects, and shows what comes over the connection from then on.
func (s *sender) connect(ctx context.Context) error {
	<-s.reading // of the last connection
	select {
	case <-s.lost: // we know
	default:
	}
	if err := s.rest(ctx); err != nil {
		return err
	}
	s.began = time.Now()
	if err := s.client.Connect(ctx); err != nil {
		return err
	}
	s.connected, s.unanswered = time.Now(), false
	s.reading = make(chan struct{})
	go s.receive()
	return nil
}

// rest waits after a connection that did not last. A server that takes
// connections and drops them is in trouble too, and Connect does not see it.
func (s *sender) rest(ctx context.Context) error {
	if s.connected.IsZero() || time.Since(s.connected) > lasting {
		s.brief, s.waited = 0, 0
		return nil
	}
	s.brief++
	s.waited = s.client.Backoff.Next(s.brief, s.waited)
	say("that connection lasted only %s; waits %s", short(time.Since(s.connected)), short(s.waited))
	select {
	case <-time.After(s.waited):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// receive shows the lines that come, until the connection ends.
func (s *sender) receive() {
	defer close(s.reading)
	for {
		line, err := s.client.Receive(context.Background(), 0, 0)
		if err != nil {
			if !s.closing.Load() {
				s.client.Drop()
				s.lost <- err
			}
			return
		}
		if s.name != "" {
			s.heard(line)
		}
		fmt.Printf("◀ %s\n", printable(line))
	}
}

// deliver sends a line, again if need be, until it is sent; or, to a chat
// server, until it is answered.
func (s *sender) deliver(ctx context.Context, number int, line string) error {
	message, id := s.message(number, line)
	for try := 1; ; try++ {
		if !s.client.Connected() {
			select {
			case err := <-s.lost:
				s.showLost(err)
			default:
			}
			if err := s.connect(ctx); err != nil {
				return err
			}
		}
		again := ""
		if try > 1 {
			again = ", once more"
		}
		limited, cancel := context.WithTimeout(ctx, s.reply)
		s.unanswered = true
		n, err := s.client.SendAll(limited, message)
		if err == nil {
			say("▶ line %d sent%s", number, again)
			if err = s.answered(limited, id); err == nil && id != "" {
				s.unanswered = false
			}
		} else if ctx.Err() == nil {
			say("✗ line %d: %d of %d bytes sent, then: %s", number, n, len(message), cause(err))
		}
		cancel()
		switch {
		case err == nil:
			return nil
		case ctx.Err() != nil:
			return ctx.Err()
		case id != "":
			say("  no answer to line %d (%s): the server may have it already, and gets it again", number, cause(err))
		}
		s.client.Drop()
	}
}

// answered waits until the chat server has answered the line with this id.
func (s *sender) answered(ctx context.Context, id string) error {
	for id != "" {
		select {
		case got := <-s.answers:
			if got == id {
				return nil
			}
		case err := <-s.lost:
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// end closes the connection in order.
func (s *sender) end(ctx context.Context) error {
	if !s.client.Connected() {
		return nil
	}
	s.closing.Store(true)
	if s.name != "" {
		limited, cancel := context.WithTimeout(ctx, s.reply)
		defer cancel()
		s.client.SendAll(limited, []byte(`{"type":"logout"}`+"\n"))
	}
	tail, err := s.client.CloseGracefully(ctx, maxTail)
	<-s.reading
	if len(tail) > 0 {
		fmt.Printf("◀ %s\n", printable(tail))
	}
	switch {
	case errors.Is(err, context.DeadlineExceeded):
		return fmt.Errorf("the server did not end its side within %v; maybe it has not got everything", s.client.CloseTimeout)
	case err != nil:
		return fmt.Errorf("the connection did not end in order: %s", cause(err))
	}
	say("connection closed; the server has ended too")
	return nil
}

// giveUp says why, in a sentence.
func (s *sender) giveUp(ctx context.Context, err error) error {
	s.closing.Store(true)
	s.client.Drop()
	var failed *robustclient.ConnectError
	switch {
	case ctx.Err() != nil:
		return errors.New("interrupted")
	case errors.As(err, &failed) && len(failed.Attempts) > 0:
		last := failed.Attempts[len(failed.Attempts)-1]
		return fmt.Errorf("gave up on %s after %s: %s (%w)", s.client.Addr, count(len(failed.Attempts), "attempt"), cause(last.Err), failed.Reason)
	}
	return err
}
