package robustclient_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	robustclient "workbook.example/labs/06-robust-client"
	"workbook.example/tools/labtest"
)

// A fate is what becomes of a request at the till.
type fate int

const (
	answered      fate = iota
	cutBefore          // the connection ends before the request takes effect
	cutAfter           // it takes effect, and the connection ends
	cutInReply         // it takes effect, half of the reply is sent, and the connection ends
	cutWhenDone        // it is answered, and the connection ends
	silent             // it takes effect, and is not answered
	answeredLate       // it takes effect, and is answered a minute later
	answeredTwice      // it is answered, and then once more
	junk               // it takes effect, and the answer makes no sense
	babbled            // it takes effect, and others are answered, once a second
)

// A till is a server that remembers what it has done: a request that comes
// again gets its reply again and has no second effect.
type till struct {
	network *labtest.StreamNet
	fates   func(conn, request int) fate // both from 1; nil: all are answered
	slow    time.Duration                // what a request takes

	mu      sync.Mutex
	begin   time.Time
	dialled []time.Duration
	conns   []*labtest.StreamConn // the server's ends
	effects []string              // the bodies of requests, in the order of their effects
	replies map[string]string
	asked   []string // the bodies that came
	names   []string // the names of the requests that came
	atOnce  int      // requests that came while another one was at work
}

func newTill(n *labtest.StreamNet, fates func(conn, request int) fate) *till {
	return &till{network: n, fates: fates, begin: time.Now(), replies: map[string]string{}}
}

func (s *till) dial(context.Context, string, string) (net.Conn, error) {
	return s.accept(s.network), nil
}

// accept makes a connection over n, and serves it.
func (s *till) accept(n *labtest.StreamNet) net.Conn {
	client, server := n.Pair()
	s.mu.Lock()
	s.conns = append(s.conns, server)
	s.dialled = append(s.dialled, time.Since(s.begin))
	number := len(s.conns)
	s.mu.Unlock()
	go s.serve(server, number)
	return client
}

func (s *till) serve(conn *labtest.StreamConn, number int) {
	requests := make(chan robustclient.Request, 100)
	go func() {
		defer close(requests)
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			var r robustclient.Request
			if json.Unmarshal(lines.Bytes(), &r) != nil {
				return
			}
			requests <- r
		}
	}()
	request := 0
	for r := range requests {
		request++
		fate := answered
		if s.fates != nil {
			fate = s.fates(number, request)
		}
		if fate == cutBefore {
			break
		}
		reply, err := json.Marshal(robustclient.Reply{Seq: r.Seq, Body: s.take(r)})
		if err != nil {
			break
		}
		reply = append(reply, '\n')
		if s.slow > 0 {
			time.Sleep(s.slow)
			s.mu.Lock()
			s.atOnce += len(requests)
			s.mu.Unlock()
		}
		switch fate {
		case answered:
			conn.Write(reply)
		case cutAfter:
			conn.Close()
		case cutInReply:
			conn.Write(reply[:len(reply)/2])
			conn.Close()
		case cutWhenDone:
			conn.Write(reply)
			conn.Close()
		case answeredLate:
			go func() { time.Sleep(time.Minute); conn.Write(reply) }()
		case answeredTwice:
			conn.Write(append(slices.Clone(reply), reply...))
		case junk:
			conn.Write([]byte("what was the question?\n"))
		case babbled:
			go func() {
				for {
					if _, err := conn.Write([]byte(`{"seq":0,"body":"for somebody else"}` + "\n")); err != nil {
						return
					}
					time.Sleep(time.Second)
				}
			}()
		}
	}
	conn.Close()
}

// take lets r take effect, unless it has, and returns what it is answered.
func (s *till) take(r robustclient.Request) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	name := fmt.Sprint(r.Session, r.Seq)
	s.asked = append(s.asked, r.Body)
	s.names = append(s.names, name)
	if _, known := s.replies[name]; !known {
		s.effects = append(s.effects, r.Body)
		s.replies[name] = fmt.Sprintf("%d: %s", len(s.effects), r.Body)
	}
	return s.replies[name]
}

func (s *till) took() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.effects)
}

func (s *till) dials() []time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.dialled)
}

func (s *till) overlaps() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.atOnce
}

// close ends all connections from the server's side.
func (s *till) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, c := range s.conns {
		c.Close()
	}
}

// session is your Session with this Dial.
func session(dial robustclient.DialFunc) *robustclient.Session {
	return robustclient.NewSession(&robustclient.Client{Dial: dial, Backoff: steady})
}

// patiently is a context for what takes a few seconds.
func patiently() (context.Context, context.CancelFunc) {
	return context.WithTimeout(background, 10*time.Minute)
}

// does asks for the bodies one after the other; each must take effect once, in
// this order, and have its own reply.
func does(s *till, session *robustclient.Session, what string, bodies ...string) error {
	defer session.Client.Drop()
	for i, body := range bodies {
		ctx, cancel := patiently()
		reply, err := session.Do(ctx, body)
		cancel()
		if err != nil {
			return fmt.Errorf("%s. Do(%q) returned %q.", what, body, err)
		}
		if want := fmt.Sprintf("%d: %s", i+1, body); reply != want {
			return fmt.Errorf("%s. Do(%q) returned %q; the server's reply to that is %q (the number says how many requests had taken effect).", what, body, reply, want)
		}
	}
	if got := s.took(); !slices.Equal(got, bodies) {
		return fmt.Errorf("%s. The client asked for %q, and what took effect is %q; expected each once, in this order.", what, bodies, got)
	}
	return nil
}

// fated is a law about requests that meet with a fate: the given ones of the
// first connection; everything later is answered.
func fated(t *labtest.T, what string, f fate, request int, bodies ...string) {
	t.Helper()
	onFakeTime(t, func(n *labtest.StreamNet) error {
		s := newTill(n, func(conn, r int) fate {
			if conn == 1 && r == request {
				return f
			}
			return answered
		})
		return does(s, session(s.dial), what, bodies...)
	})
}

func TestRequestsAreAnsweredOverOneConnection(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		s := newTill(n, nil)
		if err := does(s, session(s.dial), "Nothing goes wrong", "apple", "pear", "plum"); err != nil {
			return err
		}
		if got := len(s.dials()); got != 1 {
			return fmt.Errorf("Nothing went wrong, and three requests took %d connections; expected 1.", got)
		}
		if s.names[0] == s.names[1] {
			return errors.New("Two requests came under the same name (session and seq); then a server that remembers takes the second one for the first.")
		}
		return nil
	})
	onFakeTime(t, func(n *labtest.StreamNet) error {
		s := newTill(n, nil)
		for _, who := range []string{"first", "second"} {
			one := session(s.dial)
			ctx, cancel := patiently()
			one.Do(ctx, who)
			cancel()
			one.Client.Drop()
		}
		if got := s.took(); len(got) != 2 {
			return fmt.Errorf("Two sessions made a request each, and %q took effect; expected both: they have different names.", got)
		}
		return nil
	})
}

func TestCutBeforeTheRequest(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	fated(t, "The server ended the connection while nothing was asked", cutWhenDone, 1, "apple", "pear")
	onFakeTime(t, func(n *labtest.StreamNet) error {
		s := newTill(n, nil)
		one := session(s.dial)
		ctx, cancel := patiently()
		defer cancel()
		if _, err := one.Do(ctx, "apple"); err != nil {
			return err
		}
		n.Reset() // the first request on it is what shows it
		if _, err := one.Do(ctx, "pear"); err != nil {
			return fmt.Errorf("The connection was reset while nothing was asked. The next Do returned %q; expected that it connects again.", err)
		}
		one.Client.Drop()
		if got := s.took(); len(got) != 2 {
			return fmt.Errorf("The connection was reset between two requests, and %q took effect.", got)
		}
		return nil
	})
}

func TestCutAfterTheRequest(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	fated(t, "The connection was cut when the server had got the first request and not acted on it", cutBefore, 1, "apple", "pear")
	fated(t, "The connection was cut when the server had got the second request and not acted on it", cutBefore, 2, "apple", "pear", "plum")
}

func TestCutBeforeTheReply(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	fated(t, "The connection was cut when the second request had taken effect and was not answered", cutAfter, 2, "apple", "pear", "plum")
	fated(t, "The connection was cut in the middle of the reply to the first request", cutInReply, 1, "apple", "pear")
}

func TestCutAfterTheReply(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	fated(t, "The connection was cut right behind the reply to the second request", cutWhenDone, 2, "apple", "pear", "plum")
	onFakeTime(t, func(n *labtest.StreamNet) error {
		s := newTill(n, func(int, int) fate { return cutWhenDone })
		return does(s, session(s.dial), "The server ended each connection right behind its first reply", "apple", "pear", "plum")
	})
}

func TestCutAtAnyByte(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	breakages := []struct {
		what  string
		fault func(labtest.Direction, int64) labtest.Fault
		step  int64
	}{
		{"cut", labtest.Direction.CutAfter, 1},
		{"reset", labtest.Direction.ResetAfter, 5},
		{"stalled", labtest.Direction.StallAfter, 7},
	}
	for direction, bytes := range map[labtest.Direction]int64{labtest.ToServer: 180, labtest.ToClient: 70} {
		for _, b := range breakages {
			for at := int64(0); at <= bytes; at += b.step {
				// Only the first connection is broken.
				first := t.StreamNet("first", b.fault(direction, at))
				way := map[labtest.Direction]string{labtest.ToServer: "of the requests", labtest.ToClient: "of the replies"}[direction]
				onFakeTime(t, func(n *labtest.StreamNet) error {
					s := newTill(n, nil)
					dialled := false
					one := session(func(context.Context, string, string) (net.Conn, error) {
						if !dialled {
							dialled = true
							return s.accept(first), nil
						}
						return s.accept(n), nil
					})
					return does(s, one, fmt.Sprintf("The first connection was %s after %d bytes %s", b.what, at, way), "apple", "pear")
				})
			}
		}
	}
}

func TestMissingReplyIsAskedForAgain(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		s := newTill(n, func(conn, request int) fate {
			if conn < 3 && request == 1 {
				return silent
			}
			return answered
		})
		one := session(s.dial)
		one.ReplyTimeout = 7 * time.Second
		if err := does(s, one, "The first reply did not come, on two connections", "apple", "pear"); err != nil {
			return err
		}
		// 7 s for the reply, and then the backoff of 1 s, and of 2 s.
		want := []time.Duration{0, 8 * time.Second, 17 * time.Second}
		if at := s.dials(); len(at) != 3 || (at[1]-want[1]).Abs() > time.Second || (at[2]-want[2]).Abs() > 2*time.Second {
			return fmt.Errorf("A reply did not come, on two connections. With a ReplyTimeout of 7s and waits of 1s and 2s, the connections were made after %v; expected about %v.", at, want)
		}
		return nil
	})
	onFakeTime(t, func(n *labtest.StreamNet) error {
		s := newTill(n, func(conn, _ int) fate {
			if conn == 1 {
				return babbled
			}
			return answered
		})
		one := session(s.dial)
		one.ReplyTimeout = 7 * time.Second
		ctx, cancel := patiently()
		defer cancel()
		begin := time.Now()
		_, err := one.Do(ctx, "apple")
		one.Client.Drop()
		if d := time.Since(begin); err != nil || (d-8*time.Second).Abs() > time.Second {
			return fmt.Errorf("A reply did not come, but once a second one to another request. With a ReplyTimeout of 7s and a wait of 1s, Do returned %v after %v; expected a reply after about 8s: what is for others does not begin the ReplyTimeout anew.", orNil(err), d)
		}
		return nil
	})
	onFakeTime(t, func(n *labtest.StreamNet) error {
		n.Buffer = 10
		s := newTill(n, nil)
		dialled := false
		one := session(func(ctx context.Context, network, addr string) (net.Conn, error) {
			if !dialled {
				dialled = true
				conn, _ := n.Pair() // whose server reads nothing
				return conn, nil
			}
			return s.dial(ctx, network, addr)
		})
		one.ReplyTimeout = 7 * time.Second
		ctx, cancel := patiently()
		defer cancel()
		begin := time.Now()
		_, err := one.Do(ctx, "apple")
		one.Client.Drop()
		if d := time.Since(begin); err != nil || (d-8*time.Second).Abs() > time.Second {
			return fmt.Errorf("The first connection took 10 bytes of the request and no more. With a ReplyTimeout of 7s and a wait of 1s, Do returned %v after %v; expected a reply, over another connection, after about 8s: sending counts.", orNil(err), d)
		}
		return nil
	})
}

func TestReplyToAnotherRequestIsPassedOver(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	fated(t, "The reply to the first request came twice", answeredTwice, 1, "apple", "pear", "plum")
	fated(t, "The reply to the first request came a minute late", answeredLate, 1, "apple", "pear")
	fated(t, "The reply to the first request made no sense; expected that Do drops the connection and asks again: such a reply says that this connection is of no use any more", junk, 1, "apple", "pear")
}

func TestCallsAreDoneOneAfterTheOther(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	// On real time: who waits for a mutex does not let fake time go on.
	s := newTill(t.StreamNet("network"), func(conn, request int) fate {
		if conn == 1 && request == 4 {
			return cutAfter
		}
		return answered
	})
	s.slow = 3 * time.Millisecond
	one := session(s.dial)
	one.Client.Backoff = robustclient.Backoff{Base: time.Millisecond, Cap: time.Millisecond}
	const callers = 10
	wrong := make(chan error, callers)
	for i := range callers {
		go func() {
			body := fmt.Sprint("thing ", i)
			reply, err := one.Do(background, body)
			if err != nil {
				err = fmt.Errorf("Ten goroutines asked for something at once. Do(%q) returned the error %q.", body, err)
			} else if !strings.HasSuffix(reply, ": "+body) {
				err = fmt.Errorf("Ten goroutines asked for something at once. Do(%q) returned %q: the reply to another one.", body, reply)
			}
			wrong <- err
		}()
	}
	t.Returns("Do, called by ten goroutines at once,", func() {
		for range callers {
			if err := <-wrong; err != nil {
				t.Broken("%v", orNil(err))
			}
		}
	})
	one.Client.Drop()
	if s.overlaps() > 0 {
		t.Broken("Ten goroutines asked for something at once, and a request came to the server before the one before it was answered.")
	}
	if got := s.took(); len(got) != callers {
		t.Broken("Ten goroutines asked for something at once, and %d things took effect: %q.", len(got), got)
	}
}

func TestDoEndsWithItsContext(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	for _, c := range []struct {
		what  string
		fates fate
		down  bool
	}{
		{"waited for a reply", silent, false},
		{"waited for another try", cutBefore, false},
		{"waited to connect", answered, true},
	} {
		onFakeTime(t, func(n *labtest.StreamNet) error {
			var up atomic.Bool
			s := newTill(n, func(int, int) fate {
				if up.Load() {
					return answered
				}
				return c.fates
			})
			one := session(func(ctx context.Context, network, addr string) (net.Conn, error) {
				if c.down && !up.Load() {
					return nil, refused
				}
				return s.dial(ctx, network, addr)
			})
			one.ReplyTimeout = time.Hour
			ctx, cancel := context.WithCancel(background)
			time.AfterFunc(100*time.Second, cancel)
			ended := make(chan error, 1)
			begin := time.Now()
			go func() { _, err := one.Do(ctx, "apple"); ended <- err }()
			select {
			case err := <-ended:
				if d := time.Since(begin); d != 100*time.Second || !errors.Is(err, context.Canceled) {
					return fmt.Errorf("Do %s and was cancelled after 100s. It returned %v after %v; expected context.Canceled (to errors.Is), at once.", c.what, orNil(err), d)
				}
			case <-time.After(2 * time.Hour):
				up.Store(true)
				s.close()
				return fmt.Errorf("Do %s and was cancelled after 100s. Two hours later it has not returned.", c.what)
			}
			up.Store(true)
			again, cancel := patiently()
			defer cancel()
			reply, err := one.Do(again, "plum")
			if err != nil || !strings.HasSuffix(reply, ": plum") {
				return fmt.Errorf("A Do %s and was cancelled. The next one, Do(\"plum\"), returned %q, %v.", c.what, reply, orNil(err))
			}
			one.Client.Drop()
			s.close()
			return nil
		})
	}
	// And while it waits for its turn; on real time, because of mutexes.
	asked := make(chan struct{})
	var once sync.Once
	s := newTill(t.StreamNet("network"), func(int, int) fate { once.Do(func() { close(asked) }); return silent })
	one := session(s.dial)
	first, cancel := context.WithCancel(background)
	defer cancel()
	ended := make(chan struct{})
	go func() { defer close(ended); one.Do(first, "apple") }()
	t.Returns("The request of a Do", func() { <-asked })
	ctx, stop := context.WithTimeout(background, 20*time.Millisecond)
	defer stop()
	var err error
	t.Returns("Do, with a deadline, while another one waits for its reply,", func() { _, err = one.Do(ctx, "pear") })
	if !isEndOf(err) {
		t.Broken("One Do waited for its reply. A second one, with a deadline, returned %v; expected context.DeadlineExceeded (to errors.Is).", orNil(err))
	}
	cancel()
	t.Returns("Do, when it is cancelled,", func() { <-ended })
	one.Client.Drop()
	s.close()
}

func TestOldConnectionsAreClosed(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	for what, f := range map[string]fate{"a reply did not come": silent, "a reply made no sense": junk} {
		onFakeTime(t, func(n *labtest.StreamNet) error {
			s := newTill(n, func(conn, _ int) fate {
				if conn <= 3 {
					return f
				}
				return answered
			})
			one := session(s.dial)
			ctx, cancel := patiently()
			defer cancel()
			if _, err := one.Do(ctx, "apple"); err != nil {
				return fmt.Errorf("On three connections %s, and on the fourth all was well. Do returned %q; expected that Do drops the connection and asks again, over the next: this one is of no use any more.", what, err)
			}
			for i, conn := range s.conns[:3] {
				if _, err := conn.Write([]byte("x")); err == nil {
					if _, err := conn.Write([]byte("x")); err == nil {
						return fmt.Errorf("On three connections %s, and the session went on with a fourth. Number %d is still open.", what, i+1)
					}
				}
			}
			one.Client.Drop()
			return nil
		})
	}
}

func TestServerThatHangsUpIsNotHammered(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	onFakeTime(t, func(n *labtest.StreamNet) error {
		s := newTill(n, func(int, int) fate { return cutBefore })
		ctx, cancel := context.WithTimeout(background, time.Minute)
		defer cancel()
		// A session without a pause would never let a minute of fake time pass:
		// so the fiftieth connect takes an hour.
		one := session(func(ctx context.Context, network, addr string) (net.Conn, error) {
			if len(s.dials()) > 50 {
				<-ctx.Done()
				return nil, ctx.Err()
			}
			return s.dial(ctx, network, addr)
		})
		_, err := one.Do(ctx, "apple")
		if got := len(s.dials()); got > 12 || got < 4 {
			return fmt.Errorf("For a minute the server took every connection and hung up at the request. With waits of 1s, 2s, 4s, 8s, and then 10s, the session connected %d times (%v); expected 8 or so.", got, orNil(err))
		}
		if !isEndOf(err) {
			return fmt.Errorf("For a minute, which was Do's deadline, the server hung up at the request. Do returned %v; expected context.DeadlineExceeded (to errors.Is).", orNil(err))
		}
		one.Client.Drop()
		return nil
	})
}

func TestConnectThatGivesUpEndsDo(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	onFakeTime(t, func(*labtest.StreamNet) error {
		s := newScript(alwaysRefused)
		one := session(s.dial)
		one.Client.MaxAttempts = 3
		ctx, cancel := patiently()
		defer cancel()
		_, err := one.Do(ctx, "apple")
		if !errors.Is(err, robustclient.ErrAttempts) || len(s.times()) != 3 {
			return fmt.Errorf("The server refuses, and the client may make 3 attempts. Do made %d and returned %v; expected what Connect returns (ErrAttempts, to errors.Is).", len(s.times()), orNil(err))
		}
		return nil
	})
}

func TestRepeatedRequestHasNoSecondEffect(tt *testing.T) {
	t := labtest.Begin(tt)
	replies := new(robustclient.Replies)
	effects := map[string]int{}
	for _, c := range []struct {
		session string
		seq     uint64
		want    string
	}{
		{"alice", 1, "alice 1"}, {"alice", 1, "alice 1"}, {"bob", 1, "bob 1"}, {"alice", 2, "alice 2"},
		{"bob", 1, "bob 1"}, {"alice", 2, "alice 2"}, {"alice", 2, "alice 2"}, {"bob", 2, "bob 2"},
		{"alice", 7, "alice 7"}, // she gave up on some
	} {
		r := robustclient.Request{Session: c.session, Seq: c.seq, Body: "pay"}
		var got string
		var err error
		t.Returns("Replies.Do", func() {
			got, err = replies.Do(r, func() string { effects[c.want]++; return c.want })
		})
		if err != nil || got != c.want {
			t.Broken("Request %d of %s: Replies.Do returned %q, %v; expected %q.", c.seq, c.session, got, orNil(err), c.want)
		}
		if effects[c.want] != 1 {
			t.Broken("Request %d of %s came again, and took effect %d times.", c.seq, c.session, effects[c.want])
		}
	}
}

// These two are on real time: who waits for a mutex does not let fake time go
// on.

func TestRequestAtWorkIsNotStartedTwice(tt *testing.T) {
	t := labtest.Begin(tt)
	replies := new(robustclient.Replies)
	var effects atomic.Int32
	begun, goOn := make(chan struct{}, 2), make(chan struct{})
	answers := make(chan string, 2)
	ask := func() {
		body, err := replies.Do(robustclient.Request{Session: "alice", Seq: 1}, func() string {
			n := effects.Add(1)
			begun <- struct{}{}
			<-goOn
			return fmt.Sprint("effect ", n)
		})
		answers <- fmt.Sprint(body, orNil(err))
	}
	go ask()
	t.Returns("The effect of a request", func() {
		select {
		case <-begun:
		case answer := <-answers:
			t.Broken("A request came for the first time. Replies.Do returned %q and did not call effect.", answer)
		}
	})
	go ask() // over another connection: the client has given up on the first
	if _, twice := soon(begun); twice {
		t.Broken("A request came again while it was at work, and took effect a second time; expected that it waits for the reply of the first.")
	}
	if len(answers) > 0 {
		t.Broken("A request came again while it was at work, and was answered %q before that was done; expected that it waits for the reply of the first.", <-answers)
	}
	close(goOn)
	t.Returns("Replies.Do, when the effect has been,", func() {
		if first, second := <-answers, <-answers; first != second {
			t.Broken("A request came again while it was at work. The answers were %q and %q; expected the same, twice.", first, second)
		}
	})
}

func TestEffectsOfASessionDoNotOverlap(tt *testing.T) {
	t := labtest.Begin(tt)
	replies := new(robustclient.Replies)
	begun, goOn := make(chan string, 3), make(chan struct{})
	ask := func(session string, seq uint64) <-chan struct{} {
		done := make(chan struct{})
		go func() {
			defer close(done)
			replies.Do(robustclient.Request{Session: session, Seq: seq}, func() string {
				begun <- fmt.Sprint(session, " ", seq)
				if session == "alice" {
					<-goOn
				}
				return ""
			})
		}()
		return done
	}
	first := ask("alice", 1)
	t.Returns("The effect of alice's first request", func() {
		select {
		case <-begun:
		case <-first:
			t.Broken("Alice's first request came. Replies.Do returned and did not call effect.")
		}
	})
	bob := ask("bob", 1)
	t.Returns("A request of bob, while one of alice is at work,", func() { <-begun; <-bob })
	second := ask("alice", 2) // she gave up on the first
	if _, overlap := soon(begun); overlap {
		t.Broken("Alice's second request took effect while the first was still at work; expected one after the other.")
	}
	close(goOn)
	t.Returns("The requests of alice, one after the other,", func() { <-first; <-second })
}

func TestStaleRequestIsRefused(tt *testing.T) {
	t := labtest.Begin(tt)
	replies := new(robustclient.Replies)
	effects := 0
	effect := func() string { effects++; return "done" }
	for seq := range uint64(3) {
		t.Returns("Replies.Do", func() { replies.Do(robustclient.Request{Session: "alice", Seq: seq + 1}, effect) })
	}
	var err error
	t.Returns("Replies.Do", func() { _, err = replies.Do(robustclient.Request{Session: "alice", Seq: 1}, effect) })
	if !errors.Is(err, robustclient.ErrStale) || effects != 3 {
		t.Broken("Request 1 came after request 3 of its session, from a connection that was given up long ago. Replies.Do returned %v, and there were %d effects; expected ErrStale, and 3.", orNil(err), effects)
	}
}

func TestRealConnectionsAreCutAndEffectsHappenOnce(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	proxy := t.Proxy("proxy", l.Addr().String())
	replies := new(robustclient.Replies)
	var effects []string
	var serving sync.WaitGroup
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				defer conn.Close()
				for lines := bufio.NewScanner(conn); lines.Scan(); {
					var r robustclient.Request
					if json.Unmarshal(lines.Bytes(), &r) != nil {
						return
					}
					body, err := replies.Do(r, func() string {
						effects = append(effects, r.Body)
						switch len(effects) {
						case 2:
							proxy.Cut() // when it has taken effect, before the reply
						case 3:
							proxy.Reset()
						}
						return "did " + r.Body
					})
					if err != nil {
						return
					}
					line, _ := json.Marshal(robustclient.Reply{Seq: r.Seq, Body: body})
					conn.Write(append(line, '\n'))
				}
			})
		}
	})
	t.Cleanup(serving.Wait)
	t.Cleanup(func() { l.Close() })
	one := robustclient.NewSession(&robustclient.Client{Addr: proxy.Addr(), Backoff: robustclient.Backoff{Base: time.Millisecond, Cap: 5 * time.Millisecond}})
	defer one.Client.Drop()
	bodies := []string{"apple", "pear", "plum", "fig"}
	for _, body := range bodies {
		ctx, cancel := context.WithTimeout(background, labtest.Patience)
		var reply string
		t.Returns("Do", func() { reply, err = one.Do(ctx, body) })
		cancel()
		if err != nil || reply != "did "+body {
			t.Broken("Connections were cut and reset before replies. Do(%q) returned %q, %v.", body, reply, orNil(err))
		}
	}
	one.Client.Drop()
	if !slices.Equal(effects, bodies) {
		t.Broken("Connections were cut and reset before replies. The client asked for %q, and what took effect is %q; expected each once, in this order.", bodies, effects)
	}
}
