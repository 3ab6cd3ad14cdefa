package tcpserver_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	tcpserver "workbook.example/labs/02-tcp-server"
	"workbook.example/tools/labtest"
)

// The laws of this stage are about minutes, and cost none: they run on fake
// time (testing/synctest) with connections in memory (net.Pipe), where time
// goes on only when everybody waits. The last one is on a real socket.

const (
	loginLimit = time.Minute
	idleLimit  = 5 * time.Minute
	closeLimit = time.Second
)

// onFakeTime runs f with a server on fake time. What dial returns is the
// client's end of a connection; f must not call t, so it returns what is wrong.
func onFakeTime(t *labtest.T, configure func(*tcpserver.Server), f func(dial func() *pipeClient) error) {
	t.Helper()
	var wrong error
	t.FakeTime(func() {
		conns := make(chan net.Conn)
		l := &scriptedListener{closed: make(chan struct{})}
		l.accept = func(int) (net.Conn, error) {
			select {
			case c := <-conns:
				return c, nil
			case <-l.closed:
				return nil, net.ErrClosed
			}
		}
		server := &tcpserver.Server{Logger: quiet, CloseTimeout: closeLimit}
		configure(server)
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		var clients []*pipeClient
		wrong = f(func() *pipeClient {
			ours, theirs := net.Pipe()
			conns <- theirs
			c := &pipeClient{Conn: ours, lines: make(chan string, 1000), ended: make(chan struct{})}
			clients = append(clients, c)
			return c
		})
		l.Close()
		for _, c := range clients {
			c.Close()
		}
		<-served
	})
	if wrong != nil {
		t.Broken("%v", wrong)
	}
}

// A pipeClient is the client's end of a connection in memory.
type pipeClient struct {
	net.Conn
	lines chan string   // what came, from listen on
	ended chan struct{} // closed at the end of the connection
}

// listen reads all that comes, until the end of the connection.
func (c *pipeClient) listen() *pipeClient {
	go func() {
		defer close(c.ended)
		for s := bufio.NewScanner(c.Conn); s.Scan(); {
			select {
			case c.lines <- s.Text():
			default: // nobody looks at so many
			}
		}
	}()
	return c
}

func (c *pipeClient) send(line string) error {
	_, err := c.Write([]byte(line + "\n"))
	return err
}

// await waits until a message of type want has come, for at most limit.
func (c *pipeClient) await(want string, limit time.Duration) error {
	deadline := time.After(limit)
	for {
		select {
		case line := <-c.lines:
			if strings.Contains(strings.ReplaceAll(line, " ", ""), fmt.Sprintf(`"type":%q`, want)) {
				return nil
			}
		case <-deadline:
			return fmt.Errorf("%v went by and no %s came", limit, want)
		}
	}
}

// endsWithin checks that the connection ends between least and most from now.
func (c *pipeClient) endsWithin(least, most time.Duration, doing string) error {
	begin := time.Now()
	select {
	case <-c.ended:
		if took := time.Since(begin); took < least {
			return fmt.Errorf("%s: the connection was closed after %v; it had %v.", doing, took, least)
		}
		return nil
	case <-time.After(most):
		return fmt.Errorf("%s: %v later the connection is still open; the limit is %v.", doing, most, least)
	}
}

// enter connects a client that listens, and logs it in.
func enter(dial func() *pipeClient, name string) (*pipeClient, error) {
	c := dial().listen()
	if err := c.send(loginAs(name)); err != nil {
		return c, err
	}
	return c, c.await("login_response", time.Second)
}

func TestLoginHasADeadline(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	limits := func(s *tcpserver.Server) { s.LoginTimeout = loginLimit }
	onFakeTime(t, limits, func(dial func() *pipeClient) error {
		silent := dial().listen()
		return silent.endsWithin(loginLimit-time.Second, loginLimit+2*closeLimit, "A client connected and did not log in")
	})
	onFakeTime(t, limits, func(dial func() *pipeClient) error {
		busy := dial().listen()
		go func() {
			for busy.send(`{"type":"ping"}`) == nil {
				time.Sleep(time.Second)
			}
		}()
		return busy.endsWithin(loginLimit-time.Second, loginLimit+2*closeLimit, "A client sent a ping every second and did not log in")
	})
}

func TestLoginEndsTheLoginDeadline(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	onFakeTime(t, func(s *tcpserver.Server) { s.LoginTimeout = loginLimit }, func(dial func() *pipeClient) error {
		alice, err := enter(dial, "alice")
		if err != nil {
			return err
		}
		select {
		case <-alice.ended:
			return fmt.Errorf("alice logged in at once, and the connection was closed all the same, by a deadline that was still set")
		case <-time.After(10 * loginLimit):
			return nil
		}
	})
}

func TestTrickleIsNoProgress(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	trickle := func(c *pipeClient) {
		for {
			if _, err := c.Write([]byte("x")); err != nil {
				return
			}
			time.Sleep(time.Second)
		}
	}
	onFakeTime(t, func(s *tcpserver.Server) { s.LoginTimeout = loginLimit }, func(dial func() *pipeClient) error {
		c := dial().listen()
		go trickle(c)
		return c.endsWithin(loginLimit-time.Second, loginLimit+2*closeLimit, "A client sent a byte a second and never a whole message")
	})
	onFakeTime(t, func(s *tcpserver.Server) { s.IdleTimeout = idleLimit }, func(dial func() *pipeClient) error {
		c, err := enter(dial, "alice")
		if err != nil {
			return err
		}
		go trickle(c)
		return c.endsWithin(idleLimit-time.Second, idleLimit+2*closeLimit, "A client that is logged in sent a byte a second and never a whole message")
	})
}

func TestSilentClientIsAskedAndThenDropped(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	onFakeTime(t, func(s *tcpserver.Server) { s.IdleTimeout = idleLimit }, func(dial func() *pipeClient) error {
		bob, err := enter(dial, "bob")
		if err != nil {
			return err
		}
		begin := time.Now()
		if err := bob.await("ping", idleLimit); err != nil {
			return fmt.Errorf("bob said nothing: %v; he should be asked for a sign of life before he is dropped", err)
		}
		if asked := time.Since(begin); asked < idleLimit/4 {
			return fmt.Errorf("bob was asked for a sign of life after %v already, with a limit of %v", asked, idleLimit)
		}
		return bob.endsWithin(0, idleLimit-time.Since(begin)+2*closeLimit, "bob said nothing, and did not answer a ping")
	})
}

func TestAnswerToAPingKeepsTheConnection(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	onFakeTime(t, func(s *tcpserver.Server) { s.IdleTimeout = idleLimit }, func(dial func() *pipeClient) error {
		bob, err := enter(dial, "bob")
		if err != nil {
			return err
		}
		for begin := time.Now(); time.Since(begin) < 10*idleLimit; {
			if err := bob.await("ping", idleLimit+time.Second); err != nil {
				return fmt.Errorf("bob answers every ping: after %v, %v", time.Since(begin), err)
			}
			if err := bob.send(`{"type":"pong"}`); err != nil {
				return fmt.Errorf("bob answered every ping, and was dropped after %v", time.Since(begin))
			}
		}
		return nil
	})
}

func TestBusyClientStays(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	onFakeTime(t, func(s *tcpserver.Server) { s.IdleTimeout = idleLimit }, func(dial func() *pipeClient) error {
		alice, err := enter(dial, "alice")
		if err != nil {
			return err
		}
		for n := range 10 {
			time.Sleep(idleLimit * 9 / 10)
			if err := alice.send(`{"type":"chat","content":"still here","id":1}`); err != nil {
				return fmt.Errorf("alice said something every %v, and was dropped after the %dth time; the limit is %v of silence", idleLimit*9/10, n, idleLimit)
			}
			if err := alice.await("chat_response", time.Second); err != nil {
				return fmt.Errorf("alice said something every %v: the %dth time, %v", idleLimit*9/10, n+1, err)
			}
		}
		return nil
	})
}

func TestStuckClientIsDisconnected(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	const writeLimit = 10 * time.Second
	onFakeTime(t, func(s *tcpserver.Server) { s.WriteTimeout = writeLimit }, func(dial func() *pipeClient) error {
		alice, err := enter(dial, "alice")
		if err != nil {
			return err
		}
		stuck := dial()
		if err := stuck.send(loginAs("stuck")); err != nil { // and from here on, stuck reads nothing
			return err
		}
		if err := alice.await("joined", time.Second); err != nil {
			return err
		}
		begin := time.Now()
		if err := alice.await("left", writeLimit+2*closeLimit); err != nil {
			return fmt.Errorf("a client takes nothing of what is written to it; the limit for one write is %v: %v", writeLimit, err)
		}
		if took := time.Since(begin); took < writeLimit-time.Second {
			return fmt.Errorf("a client that takes nothing was dropped after %v; it had %v", took, writeLimit)
		}
		return nil
	})
}

func TestEveryWriteHasItsOwnDeadline(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	const writeLimit = 10 * time.Second
	onFakeTime(t, func(s *tcpserver.Server) { s.WriteTimeout = writeLimit }, func(dial func() *pipeClient) error {
		alice, err := enter(dial, "alice")
		if err != nil {
			return err
		}
		for n := range 5 {
			time.Sleep(2 * writeLimit)
			if err := alice.send(`{"type":"ping"}`); err != nil {
				return fmt.Errorf("alice reads everything at once; %v after her login she was dropped", time.Duration(n+1)*2*writeLimit)
			}
			if err := alice.await("pong", time.Second); err != nil {
				return fmt.Errorf("alice reads everything at once; %v after her login, %v: an old deadline stops what is written later", time.Duration(n+1)*2*writeLimit, err)
			}
		}
		return nil
	})
}

func TestRealSocketsHaveDeadlinesToo(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	srv := start(t, func(s *tcpserver.Server) { s.LoginTimeout = 50 * time.Millisecond })
	silent := t.Dial("silent", srv.Addr())
	silent.Expect(msg{"type": "error", "code": tcpserver.CodeTimeout})
	silent.ExpectClosed()
}
