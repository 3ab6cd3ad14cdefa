package tcpserver_test

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	tcpserver "workbook.example/labs/02-tcp-server"
	"workbook.example/tools/labtest"
)

func TestClientsAreServedAtTheSameTime(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	srv := start(t)
	alice, bob, carol := t.Dial("alice", srv.Addr()), t.Dial("bob", srv.Addr()), t.Dial("carol", srv.Addr())
	// The last one asks first: a server that serves one after the other would
	// still be waiting for alice.
	for _, p := range []*labtest.Peer{carol, bob, alice} {
		p.SendJSON(msg{"type": "dance", "id": p.Name()})
		p.Expect(msg{"type": "error", "code": tcpserver.CodeUnknownType, "id": p.Name()})
	}
}

func TestBadRequestLeavesTheConnectionOpen(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	srv := start(t)
	alice := t.Dial("alice", srv.Addr())
	for _, try := range []struct{ line, code string }{
		{`{"type":"dance","id":1}`, tcpserver.CodeUnknownType},
		{`hello?`, tcpserver.CodeBadJSON},
		{`[1,2,3]`, tcpserver.CodeBadJSON},
		{`{"type":[],"id":2}`, tcpserver.CodeBadField},
		{`{"type":"chat"}`, tcpserver.CodeMissingField},
		{`{"type":"dance","id":3}`, tcpserver.CodeUnknownType},
	} {
		alice.Send(try.line)
		alice.Expect(msg{"type": "error", "code": try.code})
	}
}

func TestAnswerToAnythingFitsAFrame(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	srv := start(t)
	alice := t.Dial("alice", srv.Addr())
	long := strings.Repeat("x", tcpserver.MaxFrame-len(`{"type":"dance","id":""}`+"\n"))
	controls := strings.Repeat(`\u0001`, 10_000) // six bytes for one, and maybe six again in the answer
	for _, try := range []struct{ line, code string }{
		{`{"type":"` + long + `"}`, tcpserver.CodeUnknownType},
		{`{"type":"` + controls + `"}`, tcpserver.CodeUnknownType},
		{`{"` + long[:len(long)/2] + `":1,"` + controls[:60] + `":1,"` + controls[:60] + `":2}`, tcpserver.CodeBadJSON},
		{`{"type":"dance","id":"` + long + `"}`, ""},
		{`{"type":"dance","id":` + strings.Repeat("1", len(long)) + `}`, ""},
	} {
		alice.Send(try.line)
		want := msg{"type": "error", "code": labtest.NonEmpty}
		if try.code != "" {
			want["code"] = try.code
		}
		if m := alice.Expect(want); len(m.Raw())+1 > tcpserver.MaxFrame {
			t.Broken("The server answered with a frame of %d bytes; no frame is longer than %d.", len(m.Raw())+1, tcpserver.MaxFrame)
		}
	}
}

func TestEveryRequestGetsItsOwnAnswer(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	srv := start(t)
	alice := t.Dial("alice", srv.Addr())
	alice.SendTogether(`{"type":"dance","id":1}`, `{"type":"dance","id":2}`, `{"type":"dance","id":3}`)
	for id := 1; id <= 3; id++ {
		alice.Expect(msg{"type": "error", "id": id})
	}
	alice.SendBytewise([]byte("{\"type\":\"dance\",\"id\":\"世界\"}\n"))
	alice.Expect(msg{"type": "error", "id": "世界"})
	nothingElse(alice)
}

func TestPingIsAnswered(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	srv := start(t)
	alice := t.Dial("alice", srv.Addr())
	alice.SendJSON(msg{"type": "ping", "id": 1})
	alice.Expect(msg{"type": "pong", "id": 1})
	alice.SendJSON(msg{"type": "pong", "id": 2}) // an answer is not answered
	nothingElse(alice)
}

func TestBrokenFrameEndsTheConnection(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	srv := start(t)
	bystander := t.Dial("bystander", srv.Addr())
	long := t.Dial("long", srv.Addr())
	long.SendRaw([]byte(strings.Repeat("x", tcpserver.MaxFrame+1)))
	long.Expect(msg{"type": "error", "code": tcpserver.CodeTooLong})
	long.ExpectClosed()
	latin1 := t.Dial("latin1", srv.Addr())
	latin1.SendRaw([]byte("{\"type\":\"chat\",\"content\":\"caf\xe9\"}\n"))
	latin1.Expect(msg{"type": "error", "code": tcpserver.CodeNotUTF8})
	latin1.ExpectClosed()
	nothingElse(bystander)
}

func TestPanicEndsOnlyItsOwnConnection(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	// The first connection panics when it is read: a bug in a handler, as it
	// looks to the server.
	srv := startOn(t, &sabotagedListener{Listener: l})
	victim := t.Dial("victim", srv.Addr())
	victim.Send(`{"type":"dance"}`)
	victim.AwaitClosed()
	victim.Close()
	for i := range 5 { // the panic takes a moment to end a process
		nothingElse(t.Dial(fmt.Sprintf("alice%d", i+1), srv.Addr()))
	}
}

func TestFullServerTurnsAway(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	srv := start(t, func(s *tcpserver.Server) { s.MaxConns = 2 })
	alice, bob := t.Dial("alice", srv.Addr()), t.Dial("bob", srv.Addr())
	nothingElse(alice)
	nothingElse(bob)
	carol := t.Dial("carol", srv.Addr())
	carol.Expect(msg{"type": "error", "code": tcpserver.CodeServerFull})
	carol.ExpectClosed()
	alice.Close()
	// The server notices alice's end a moment later, which nothing shows but
	// that there is room again.
	t.Eventually("That there is room again after alice has left", func() bool {
		conn, err := net.Dial("tcp", srv.Addr())
		if err != nil {
			return false
		}
		defer conn.Close()
		return (&probeConn{Conn: deadlined(conn)}).ask(`{"type":"dance"}`, tcpserver.CodeUnknownType) == nil
	})
	nothingElse(bob)
}

func TestAcceptPausesWhenDescriptorsRunOut(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, shortage := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE} {
		l := &scriptedListener{accept: func(int) (net.Conn, error) { return nil, acceptError(shortage) }}
		serveFor(t, l, time.Second)
		if l.calls > 12 {
			t.Broken("Accept failed with %q, and Serve called it %d times within a second; expected a pause that grows, about 8 calls.", shortage, l.calls)
		}
		if l.calls < 4 {
			t.Broken("Accept failed with %q, and Serve called it %d times within a second; expected it to try again, after 5 ms at first.", shortage, l.calls)
		}
	}
	// However long the shortage lasts: a second is the longest pause, or the
	// server would be deaf for long after the shortage has ended.
	l := &scriptedListener{accept: func(int) (net.Conn, error) { return nil, acceptError(syscall.EMFILE) }}
	serveFor(t, l, 61*time.Second)
	if l.calls < 50 {
		t.Broken("Accept failed with %q for a minute, and Serve called it %d times; expected pauses of at most a second.", syscall.EMFILE, l.calls)
	}
}

func TestAcceptRecovers(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, passing := range []syscall.Errno{syscall.EMFILE, syscall.ECONNABORTED} {
		served := false
		var client net.Conn
		l := &scriptedListener{accept: func(call int) (net.Conn, error) {
			if call <= 3 {
				return nil, acceptError(passing)
			}
			if call == 4 {
				var server net.Conn
				client, server = net.Pipe()
				go func() {
					buf := make([]byte, 1)
					client.Write([]byte("?\n"))
					n, _ := client.Read(buf)
					served = n == 1
					client.Close()
				}()
				return server, nil
			}
			return nil, nil
		}}
		err := serveFor(t, l, time.Second)
		if !served {
			t.Broken("Accept failed three times with %q and then gave a connection, which was not served; Serve returned %v.", passing, err)
		}
	}
}

func TestAbortedConnectionCostsNoPause(tt *testing.T) {
	t := labtest.Begin(tt)
	l := &scriptedListener{accept: func(call int) (net.Conn, error) {
		if call > 200 {
			return nil, nil
		}
		return nil, acceptError(syscall.ECONNABORTED)
	}}
	serveFor(t, l, time.Second)
	if l.calls < 200 {
		t.Broken("200 clients gave up while they waited (ECONNABORTED), and a second later Serve was at the %dth; expected no pause: the next client may be fine.", l.calls)
	}
}

func TestLastingAcceptErrorIsReturned(tt *testing.T) {
	t := labtest.Begin(tt)
	l := &scriptedListener{accept: func(int) (net.Conn, error) { return nil, acceptError(syscall.EINVAL) }}
	err := serveFor(t, l, 10*time.Second)
	if errors.Is(err, errStillServing) {
		t.Broken("Accept failed with %q, which no waiting mends, and 10 s and %d calls later Serve had not returned.", syscall.EINVAL, l.calls)
	}
	if !errors.Is(err, syscall.EINVAL) {
		t.Broken("Accept failed with %q, and Serve returned %v; expected that error.", syscall.EINVAL, err)
	}
}

func TestServeEndsWithItsListener(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	srv := start(t)
	alice := t.Dial("alice", srv.Addr())
	nothingElse(alice)
	srv.listener.Close()
	t.Returns("Serve, after its listener was closed,", func() {
		if err := <-srv.served; err == nil {
			t.Errorf("The listener was closed, and Serve returned nil; it always returns an error that says why it ended.")
		}
	})
}

var errStillServing = errors.New("the server still serves")

// serveFor runs Serve on l for a while of fake time, with no real socket and no
// real waiting, and returns what Serve returned.
func serveFor(t *labtest.T, l *scriptedListener, while time.Duration) (err error) {
	t.Helper()
	t.FakeTime(func() {
		l.closed = make(chan struct{})
		server := &tcpserver.Server{Logger: quiet}
		served := make(chan error, 1)
		go func() { served <- server.Serve(l) }()
		time.Sleep(while)
		select {
		case err = <-served:
		default:
			err = errStillServing
		}
		l.Close()
	})
	return err
}

// A scriptedListener answers each Accept as accept says; nil, nil stands for
// waiting until it is closed.
type scriptedListener struct {
	accept func(call int) (net.Conn, error)
	calls  int
	once   sync.Once
	closed chan struct{}
}

func (l *scriptedListener) Accept() (net.Conn, error) {
	select {
	case <-l.closed:
		return nil, net.ErrClosed
	default:
	}
	l.calls++
	if l.calls > 10_000 {
		<-l.closed // a loop without a pause would not let fake time go on
		return nil, net.ErrClosed
	}
	conn, err := l.accept(l.calls)
	if conn == nil && err == nil {
		<-l.closed
		return nil, net.ErrClosed
	}
	return conn, err
}

func (l *scriptedListener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *scriptedListener) Addr() net.Addr { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)} }

// acceptError is an error as Accept returns it.
func acceptError(errno syscall.Errno) error {
	return &net.OpError{Op: "accept", Net: "tcp", Err: os.NewSyscallError("accept4", errno)}
}

// A sabotagedListener gives a connection that panics when it is read, and then
// good ones.
type sabotagedListener struct {
	net.Listener
	once sync.Once
}

func (l *sabotagedListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if err == nil {
		l.once.Do(func() { conn = &panickingConn{TCPConn: conn.(*net.TCPConn)} })
	}
	return conn, err
}

// A panickingConn panics when it is read for the first time.
type panickingConn struct {
	*net.TCPConn
	once sync.Once
}

func (c *panickingConn) Read(p []byte) (int, error) {
	c.once.Do(func() { panic("a bug in the handling of this connection") })
	return c.TCPConn.Read(p)
}
