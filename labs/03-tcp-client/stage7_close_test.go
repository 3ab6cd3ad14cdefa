package tcpclient_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	tcpclient "workbook.example/labs/03-tcp-client"
	"workbook.example/tools/labtest"
)

// closing calls Close in a goroutine.
func closing(c *testClient, ctx context.Context) <-chan error {
	returned := make(chan error, 1)
	go func() { returned <- c.Close(ctx) }()
	return returned
}

// answerLogout is the server's part of a goodbye.
func answerLogout(server *labtest.Peer) {
	goodbye(server, loggedOut(server))
	server.ExpectEOF()
}

// loggedOut waits for the logout, which need not have an id.
func loggedOut(server *labtest.Peer) (id any) {
	return server.Expect(msg{"type": "logout"}).Value("id")
}

// goodbye answers a logout, with its id if it has one.
func goodbye(server *labtest.Peer, id any) {
	answer := msg{"type": "logout_response", "success": true, "message": "goodbye"}
	if id != nil {
		answer["id"] = id
	}
	server.SendJSON(answer)
}

// lostOnce checks that OnDisconnect is called once, with want.
func lostOnce(t *labtest.T, c *testClient, what string, want error) {
	t.Helper()
	cause := next(t, what+": the call of OnDisconnect", c.lost)
	if !errors.Is(cause, want) {
		t.Broken("%s, and OnDisconnect was called with %s; expected %q.", what, orNil(cause), want)
	}
	if err := c.Err(); err == nil || !errors.Is(err, want) {
		t.Broken("%s, and Err gave %s; expected %q.", what, orNil(err), want)
	}
	select {
	case again := <-c.lost:
		t.Broken("%s, and OnDisconnect was called with %q, and then again, with %s.", what, cause, orNil(again))
	case <-time.After(10 * ms):
	}
}

func TestCloseSaysGoodbye(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5, 6)
	c, server := start(t)
	returned := closing(c, within(t))
	id := loggedOut(server)
	server.ExpectNothing(20 * ms) // as long as the logout is not answered
	goodbye(server, id)
	server.ExpectEOF()
	select {
	case err := <-returned:
		t.Broken("The server had not ended the connection yet, and Close returned %s.", orNil(err))
	case <-time.After(10 * ms):
	}
	server.CloseWrite()
	if err := next(t, "The return of Close, after both sides had ended,", returned); err != nil {
		t.Broken("Client and server parted in good order, and Close returned %s.", orNil(err))
	}
	lostOnce(t, c, "Close had returned", tcpclient.ErrClosed)
}

func TestNothingIsLostAtTheEnd(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 4, 5, 6)
	c, server := start(t)
	said := contents(c)
	returned := closing(c, within(t))
	id := loggedOut(server)
	var lines, want []string
	for i := range 200 {
		lines = append(lines, chatMessage(i, fmt.Sprint(i)))
		want = append(want, fmt.Sprint(i))
	}
	server.SendTogether(lines[:100]...)
	goodbye(server, id)
	server.ExpectEOF()
	server.SendTogether(lines[100:]...)
	hears(t, said, want...)
	server.CloseWrite()
	if err := next(t, "The return of Close", returned); err != nil {
		t.Broken("Client and server parted in good order, and Close returned %s.", orNil(err))
	}
}

func TestDisconnectSaysWhy(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5, 6)
	causes := []error{tcpclient.ErrClosed, io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET}
	for _, end := range []struct {
		what string
		do   func(c *testClient, server *labtest.Peer)
		want error
	}{
		{"The client was closed", func(c *testClient, server *labtest.Peer) {
			returned := closing(c, within(t))
			answerLogout(server)
			server.CloseWrite()
			next(t, "The return of Close", returned)
		}, tcpclient.ErrClosed},
		{"The client was closed, and the server reset the connection instead of answering", func(c *testClient, server *labtest.Peer) {
			returned := closing(c, within(t))
			loggedOut(server)
			server.Reset()
			next(t, "The return of Close", returned)
		}, tcpclient.ErrClosed},
		{"The client was closed by a context that had ended", func(c *testClient, server *labtest.Peer) { hangUp(c) }, tcpclient.ErrClosed},
		{"The server ended the connection", func(c *testClient, server *labtest.Peer) { server.CloseWrite() }, io.EOF},
		{"The server ended the connection in the middle of a message", func(c *testClient, server *labtest.Peer) {
			server.SendRaw([]byte(lastWords[:20]))
			server.CloseWrite()
		}, io.ErrUnexpectedEOF},
		{"The server reset the connection", func(c *testClient, server *labtest.Peer) { server.Reset() }, syscall.ECONNRESET},
		{"The server ended the connection, and then the client was closed", func(c *testClient, server *labtest.Peer) {
			server.CloseWrite()
			<-c.Done()
			past, cancel := context.WithCancel(context.Background())
			cancel()
			for range 20 {
				if err := c.Close(past); err != nil {
					t.Broken("The connection had ended before, and Close returned %s.", orNil(err))
				}
			}
		}, io.EOF},
	} {
		c, server := start(t)
		end.do(c, server)
		lostOnce(t, c, end.what, end.want)
		for _, other := range causes {
			if other != end.want && errors.Is(c.Err(), other) {
				t.Broken("%s, and Err gave %q; expected %q.", end.what, c.Err(), end.want)
			}
		}
	}
}

func TestDisconnectIsToldOnce(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5, 6)
	const rounds = 1000
	random := t.Rand()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	defer l.Close()
	accepted := make(chan net.Conn, 1)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- conn
		}
	}()
	past, cancel := context.WithCancel(context.Background())
	cancel()
	for round := range rounds {
		ours, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			t.Fatalf("dial: %v", err)
		}
		theirs := next(t, "A connection", accepted)
		var calls atomic.Int32
		told := make(chan error, 1)
		c := makeClient(func(o *tcpclient.Options) {
			o.OnDisconnect = func(cause error) {
				if calls.Add(1) == 1 {
					told <- cause
				}
			}
		})
		if err := c.Start(ours); err != nil {
			t.Broken("Start, of a new client, returned the error %q.", err)
		}
		// Everybody ends it at once: the client twice, a sender that finds it
		// broken, and the server, in good order or by a reset.
		events := []func(){
			func() { c.Close(past) },
			func() { c.Close(past) },
			func() { c.Send(past, say("hi")) },
			func() { theirs.Close() },
		}
		if round%2 == 0 {
			events[3] = func() { theirs.(*net.TCPConn).SetLinger(0); theirs.Close() }
		}
		random.Shuffle(len(events), func(i, j int) { events[i], events[j] = events[j], events[i] })
		var racing sync.WaitGroup
		begin := make(chan struct{})
		for _, event := range events {
			racing.Go(func() { <-begin; event() })
		}
		close(begin)
		t.Returns(fmt.Sprintf("Close, in round %d of %d,", round+1, rounds), racing.Wait)
		cause := next(t, fmt.Sprintf("The call of OnDisconnect in round %d of %d", round+1, rounds), told)
		if err := c.Err(); err == nil || !errors.Is(cause, err) && cause != err {
			t.Broken("In round %d of %d OnDisconnect was called with %s, and Err gave %s: one end, two reasons.", round+1, rounds, orNil(cause), orNil(err))
		}
		if round%50 == 49 {
			time.Sleep(time.Millisecond) // for a second call, if there is one
		}
		runtime.Gosched()
		if n := calls.Load(); n != 1 {
			t.Broken("In round %d of %d, OnDisconnect was called %d times for one connection.", round+1, rounds, n)
		}
		theirs.Close()
	}
}

func TestDisconnectComesLast(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 4, 5, 6)
	said := make(chan string, 1000)
	c := newClient(t, func(o *tcpclient.Options) { o.OnDisconnect = func(error) { said <- "the end" } })
	inside, goOn := hold(t, c)
	c.On(tcpclient.TypeChatMessage, func(m tcpclient.Message) { said <- m.Content })
	conn, server := connection(t)
	run(t, c, conn)
	server.SendTogether(chatMessage(1, "one"), chatMessage(2, "two"), chatMessage(3, "three"))
	next(t, "The call of a handler", inside)
	server.CloseWrite()
	ends(t, c, "The server ended the connection")
	select {
	case got := <-said:
		t.Broken("A handler was at work, and meanwhile came the call with %q.", got)
	case <-time.After(10 * ms):
	}
	goOn()
	hears(t, said, "one", "two", "three", "the end")
}

func TestCloseIsPrompt(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5, 6)
	var returned error
	var took, told time.Duration
	onFakeTime(t, func(c *testClient, server net.Conn) { // a server that reads, and says nothing
		go io.Copy(io.Discard, server)
		ctx, cancel := context.WithTimeout(context.Background(), 3*time.Second)
		defer cancel()
		begun := time.Now()
		returned = c.Close(ctx)
		took = time.Since(begun)
		<-c.lost
		told = time.Since(begun)
	})
	if !errors.Is(returned, context.DeadlineExceeded) || took != 3*time.Second {
		t.Broken("The server did not answer the logout, and Close had a context of 3 s. It returned %s after %v.", orNil(returned), took)
	}
	if told != took {
		t.Broken("Close returned after %v, and OnDisconnect was called %v later; expected at once.", took, told-took)
	}
}

func TestCloseWaitsForNobodyForEver(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5, 6)
	t.NoLeaks()
	for what, play := range map[string]func(server *labtest.Peer, giveUp func()){
		"reads nothing at all": func(server *labtest.Peer, giveUp func()) { giveUp() },
		"answers the logout, and does not end the connection": func(server *labtest.Peer, giveUp func()) {
			id := loggedOut(server)
			goodbye(server, id)
			server.ExpectEOF()
			giveUp()
		},
		"sends and sends": func(server *labtest.Peer, giveUp func()) {
			defer time.AfterFunc(20*ms, giveUp).Stop()
			server.Conn().SetWriteDeadline(time.Now().Add(labtest.Patience))
			for {
				if _, err := io.WriteString(server.Conn(), chatMessage(1, "blah")+"\n"); err != nil {
					return
				}
			}
		},
	} {
		c, server := start(t)
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		returned := closing(c, ctx)
		play(server, cancel)
		if err := next(t, fmt.Sprintf("The return of Close, whose context was cancelled, from a server that %s,", what), returned); !errors.Is(err, context.Canceled) {
			t.Broken("A server %s, and the context of Close was cancelled. It returned %s.", what, orNil(err))
		}
		server.AwaitClosed()
		server.Close()
	}
}

func TestHandlersMayClose(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 4, 5, 6)
	var c *testClient
	fromHandler, fromEnd := make(chan error, 1), make(chan error, 1)
	c = newClient(t, func(o *tcpclient.Options) {
		told := o.OnDisconnect
		o.OnDisconnect = func(cause error) {
			told(cause)
			fromEnd <- c.Close(within(t))
		}
	})
	c.On(tcpclient.TypeChatMessage, func(tcpclient.Message) { fromHandler <- c.Close(within(t)) })
	conn, server := connection(t)
	run(t, c, conn)
	server.Send(chatMessage(1, "go away"))
	answerLogout(server)
	server.CloseWrite()
	if err := next(t, "The return of Close, called by a handler,", fromHandler); err != nil {
		t.Broken("Close, called by a handler, returned %s.", orNil(err))
	}
	if err := next(t, "The return of Close, called by OnDisconnect,", fromEnd); err != nil {
		t.Broken("Close, called by OnDisconnect, returned %s.", orNil(err))
	}
	lostOnce(t, c, "A handler closed the client, and OnDisconnect closed it again", tcpclient.ErrClosed)
}

func TestCloseTwiceWaitsForTheSameEnd(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5, 6)
	c, server := start(t)
	var returned []<-chan error
	for range 5 {
		returned = append(returned, closing(c, within(t)))
	}
	answerLogout(server) // once, and then nothing more
	for _, r := range returned {
		select {
		case err := <-r:
			t.Broken("The server had not ended the connection yet, and one of five calls of Close returned %s.", orNil(err))
		case <-time.After(2 * ms):
		}
	}
	server.CloseWrite()
	for _, r := range returned {
		if err := next(t, "The return of one of five calls of Close", r); err != nil {
			t.Broken("Client and server parted in good order, and one of five calls of Close returned %s.", orNil(err))
		}
	}
	t.Returns("Close, called once more,", func() {
		if err := c.Close(context.Background()); err != nil {
			t.Errorf("Close, of a client that is closed, returned %s.", orNil(err))
		}
	})
	lostOnce(t, c, "Close was called six times", tcpclient.ErrClosed)

	c, server = start(t)
	patient := closing(c, context.Background())
	loggedOut(server) // and no answer
	hangUp(c)
	next(t, "The return of Close, while another one with a context that had ended cut the connection,", patient)
}

func TestClosedClientSendsNothing(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5, 6)
	c, server := start(t)
	returned := closing(c, within(t))
	id := loggedOut(server)
	for _, when := range []string{"while Close says goodbye", "after Close"} {
		var sent, answered error
		t.Returns("Send, "+when+",", func() { sent = c.Send(within(t), say("one more thing")) })
		if !errors.Is(sent, tcpclient.ErrClosed) {
			t.Broken("Send, %s, returned %s; expected ErrClosed.", when, orNil(sent))
		}
		t.Returns("Ask, "+when+",", func() { _, answered = c.Ask(within(t), say("one more thing")) })
		if !errors.Is(answered, tcpclient.ErrClosed) {
			t.Broken("Ask, %s, returned %s; expected ErrClosed.", when, orNil(answered))
		}
		if when == "while Close says goodbye" {
			goodbye(server, id)
			server.ExpectEOF()
			server.CloseWrite()
			next(t, "The return of Close", returned)
		}
	}
}

func TestCloseWithoutAConnection(tt *testing.T) {
	t := begin(tt)
	t.Needs(1, 3, 5, 6)
	silent := t.FullListener("tcp4")
	t.NoLeaks()
	c := newClient(t)
	t.Returns("Close, of a client that was never connected,", func() {
		if err := c.Close(context.Background()); err != nil {
			t.Errorf("Close, of a client that was never connected, returned %s.", orNil(err))
		}
	})
	if err := c.Connect(within(t), silent.Addr()); !errors.Is(err, tcpclient.ErrClosed) {
		t.Broken("Connect, after Close, returned %s; expected ErrClosed.", orNil(err))
	}
	conn, server := connection(t)
	if err := c.Start(conn); !errors.Is(err, tcpclient.ErrClosed) {
		t.Broken("Start, after Close, returned %s; expected ErrClosed.", orNil(err))
	}
	server.ExpectClosed()

	// Once more, with a Connect under way.
	c = newClient(t)
	connected := make(chan error, 1)
	go func() { connected <- c.Connect(context.Background(), silent.Addr()) }()
	select {
	case err := <-connected:
		t.Broken("Connect, to a server that does not answer, returned %s.", orNil(err))
	case <-time.After(20 * ms):
	}
	if err := next(t, "The return of Close, while Connect waits for a server that does not answer,", closing(c, context.Background())); err != nil {
		t.Broken("Close, while Connect waits, returned %s.", orNil(err))
	}
	if err := next(t, "The return of Connect, after Close,", connected); !errors.Is(err, tcpclient.ErrClosed) {
		t.Broken("Connect was waiting for a server when the client was closed, and returned %s; expected ErrClosed.", orNil(err))
	}
	select {
	case cause := <-c.lost:
		t.Broken("There never was a connection, and OnDisconnect was called with %s.", orNil(cause))
	default:
	}
}

func TestMethodsMayMeetTheEnd(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 4, 5, 6)
	t.NoLeaks()
	for round := range 50 {
		c, server := start(t)
		c.On(tcpclient.TypeChatMessage, func(tcpclient.Message) {})
		var using sync.WaitGroup
		for _, use := range []func(){
			func() { c.Send(context.Background(), say("hi")) },
			func() { c.Ask(context.Background(), say("hi")) },
			func() { c.On(tcpclient.TypeLeft, func(tcpclient.Message) {})() },
			func() { c.Err() },
			func() {
				conn, _ := net.Pipe()
				c.Start(conn)
			},
		} {
			using.Go(func() {
				for c.Err() == nil {
					use()
				}
				use()
			})
		}
		io.WriteString(server.Conn(), strings.Repeat(chatMessage(1, "hi")+"\n", 10))
		if round%2 == 0 {
			hangUp(c)
		} else {
			server.Reset()
		}
		t.Returns(fmt.Sprintf("In round %d of 50, a method that was in use when the connection ended,", round+1), using.Wait)
	}
}

func TestNothingFollowsTheLogout(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5, 6)
	// The first write is held in the connection; nobody may do anything to the
	// connection beside it.
	inside, goOn := make(chan struct{}), make(chan struct{})
	release := sync.OnceFunc(func() { close(goOn) })
	t.Cleanup(release)
	conn, server := connection(t)
	held := &heldConn{tamperedConn: tamperedConn{Conn: conn}}
	held.write = func(b []byte) (int, error) {
		if held.writes.Add(1) == 1 {
			held.busy.Store(true)
			close(inside)
			<-goOn
			held.busy.Store(false)
		}
		return conn.Write(b)
	}
	c := newClient(t)
	run(t, c, held)
	sending := func(content string) <-chan error {
		returned := make(chan error, 1)
		go func() { returned <- c.Send(within(t), say(content)) }()
		return returned
	}
	first := sending("one")
	next(t, "The Write of a Send", inside)
	second := sending("two")
	select {
	case err := <-second:
		t.Broken("While one Send was writing another one returned %s; expected that it waits for its turn.", orNil(err))
	case <-time.After(20 * ms):
	}
	returned := closing(c, within(t))
	select {
	case err := <-returned:
		t.Broken("While a Send was writing, Close returned %s; expected that it says goodbye when it is its turn.", orNil(err))
	case <-time.After(20 * ms):
	}
	if n := held.halved.Load(); n > 0 {
		t.Broken("While a Send was writing, Close ended what the client sends (CloseWrite); expected that it waits for its turn.")
	}
	if n := held.writes.Load(); n > 1 {
		t.Broken("While a Send was writing, %d other frames were written beside it.", n-1)
	}
	release()
	server.Expect(msg{"type": "chat", "content": "one"})
	answerLogout(server)
	server.CloseWrite()
	if err := next(t, "The return of Close", returned); err != nil {
		t.Broken("Client and server parted in good order, and Close returned %s.", orNil(err))
	}
	if err := next(t, "The return of the Send that was writing when Close was called", first); err != nil {
		t.Broken("A Send was writing when Close was called, and its frame arrived. It returned %s.", orNil(err))
	}
	if err := next(t, "The return of the Send that waited for its turn when Close was called", second); !errors.Is(err, tcpclient.ErrClosed) {
		t.Broken("A Send waited for its turn when Close was called, and returned %s; expected ErrClosed.", orNil(err))
	}
}

// A heldConn is a connection that counts what is done to it while it writes.
type heldConn struct {
	tamperedConn
	busy           atomic.Bool
	writes, halved atomic.Int64
}

func (c *heldConn) CloseWrite() error {
	if c.busy.Load() {
		c.halved.Add(1)
	}
	return c.tamperedConn.CloseWrite()
}

func TestStartMeetsClose(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5, 6)
	const rounds = 1000
	for round := range rounds {
		ours, theirs := net.Pipe()
		c := makeClient()
		var started error
		if round%10 == 0 {
			started = startInterrupted(c, ours)
		} else {
			started = startRacing(c, ours, round%100)
		}
		if started != nil && !errors.Is(started, tcpclient.ErrClosed) {
			t.Broken("Start and Close were called at the same moment (round %d of %d), and Start returned %s; expected no error or ErrClosed.", round+1, rounds, orNil(started))
		}
		theirs.SetReadDeadline(time.Now().Add(labtest.Patience))
		if _, err := io.Copy(io.Discard, theirs); isTimeout(err) {
			t.Broken("Start and Close were called at the same moment (round %d of %d). Both have returned, Start with %s, and the connection is still open.", round+1, rounds, orNil(started))
		}
		theirs.Close()
	}
}

// past is a context that is over.
var past = func() context.Context {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	return ctx
}()

// startRacing calls Start, and Close at the same moment or a little later. It returns
// what Start did, once both have returned.
func startRacing(c *testClient, conn net.Conn, later int) (started error) {
	var racing sync.WaitGroup
	var there atomic.Int32 // goroutines that are ready; they meet without being woken
	meet := func() {
		there.Add(1)
		for spins := 0; there.Load() < 2; spins++ {
			if spins > 1000 {
				runtime.Gosched()
			}
		}
	}
	racing.Go(func() {
		meet()
		for range later {
			there.Load()
		}
		c.Close(past)
	})
	racing.Go(func() { meet(); started = c.Start(conn) })
	racing.Wait()
	return started
}

// startInterrupted calls Start. Whoever looks at the connection first looks for so long
// that Close comes between, unless it has to wait for Start.
func startInterrupted(c *testClient, conn net.Conn) (started error) {
	closed := make(chan struct{})
	interrupt := sync.OnceFunc(func() {
		go func() { c.Close(past); close(closed) }()
		select {
		case <-closed:
		case <-time.After(ms):
		}
	})
	started = c.Start(&interruptedConn{Conn: conn, interrupt: interrupt})
	interrupt() // nobody has looked
	<-closed
	return started
}

// An interruptedConn calls a function when somebody looks at it.
type interruptedConn struct {
	net.Conn
	interrupt func()
}

func (c *interruptedConn) LocalAddr() net.Addr {
	c.interrupt()
	return c.Conn.LocalAddr()
}

func (c *interruptedConn) RemoteAddr() net.Addr {
	c.interrupt()
	return c.Conn.RemoteAddr()
}

func (c *interruptedConn) SetDeadline(when time.Time) error {
	c.interrupt()
	return c.Conn.SetDeadline(when)
}

func TestPanicAtTheEndIsCaught(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 4, 5, 6)
	c, server := start(t, func(o *tcpclient.Options) {
		o.OnDisconnect = func(error) { panic("OnDisconnect panics, as the test wants it to") }
	})
	server.CloseWrite()
	ends(t, c, "The server ended the connection")
	t.Eventually("That the log tells of the panic in OnDisconnect", func() bool {
		return strings.Contains(c.log.String(), "as the test wants it to")
	})
}
