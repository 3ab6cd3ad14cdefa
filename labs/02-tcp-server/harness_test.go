package tcpserver_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"time"

	tcpserver "workbook.example/labs/02-tcp-server"
	"workbook.example/tools/labtest"
)

// This file is the only one that starts your code. The stages' tests talk to
// what start returns, over real sockets.

// A testServer is your server, serving on an ephemeral port of 127.0.0.1.
type testServer struct {
	*tcpserver.Server
	listener *watchedListener
	served   chan error // has what Serve returned, once it has
	log      *logBuffer
}

// start serves with your Server until the test ends. configure may set its
// fields before.
func start(t *labtest.T, configure ...func(*tcpserver.Server)) *testServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	return startOn(t, l, configure...)
}

// startOn is start with a listener of the test's own making.
func startOn(t *labtest.T, l net.Listener, configure ...func(*tcpserver.Server)) *testServer {
	t.Helper()
	srv, err := serve(l, configure...)
	t.Cleanup(func() { l.Close() })
	if err != nil {
		t.Broken("%v", err)
	}
	t.Logged(srv.log.complaints)
	return srv
}

// serve calls Serve in a goroutine and returns when it has begun to accept.
func serve(l net.Listener, configure ...func(*tcpserver.Server)) (*testServer, error) {
	s := &testServer{
		Server:   new(tcpserver.Server),
		listener: &watchedListener{Listener: l, accepting: make(chan struct{})},
		served:   make(chan error, 1),
		log:      new(logBuffer),
	}
	log.SetOutput(s.log) // of package log, which knows nothing of Logger
	s.Logger = slog.New(slog.NewTextHandler(s.log, &slog.HandlerOptions{Level: slog.LevelDebug}))
	for _, set := range configure {
		set(s.Server)
	}
	go func() { s.served <- s.Serve(s.listener) }()
	select {
	case <-s.listener.accepting:
		return s, nil
	case err := <-s.served:
		l.Close()
		return nil, fmt.Errorf("Serve returned before it accepted anybody: %v", err)
	case <-time.After(labtest.Patience):
		l.Close()
		return nil, fmt.Errorf("Serve was called %v ago and has not called Accept yet", labtest.Patience)
	}
}

// startNarrow is start with little room in the kernel between the server and a
// client, so that few messages show what happens when one of them does not
// read.
func startNarrow(t *labtest.T, configure ...func(*tcpserver.Server)) *testServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	return startOn(t, narrowListener{l}, configure...)
}

type narrowListener struct{ net.Listener }

func (l narrowListener) Accept() (net.Conn, error) {
	conn, err := l.Listener.Accept()
	if tcp, ok := conn.(*net.TCPConn); ok {
		// Linux takes twice as much, see socket(7). With less, a message would
		// go out in pieces, each of them after the last one's acknowledgement.
		tcp.SetWriteBuffer(16 << 10)
	}
	return conn, err
}

// Addr is where the server listens, host:port.
func (s *testServer) Addr() string { return s.listener.Addr().String() }

// A watchedListener tells when Accept is called for the first time.
type watchedListener struct {
	net.Listener
	once      sync.Once
	accepting chan struct{}
}

func (l *watchedListener) Accept() (net.Conn, error) {
	l.once.Do(func() { close(l.accepting) })
	return l.Listener.Accept()
}

// A logBuffer collects what the server logs.
type logBuffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *logBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

// complaints are the warnings and errors among the lines, and what package log
// was given.
func (b *logBuffer) complaints() (lines []string) {
	for line := range strings.Lines(b.String()) {
		if !strings.Contains(line, "level=INFO") && !strings.Contains(line, "level=DEBUG") {
			lines = append(lines, line)
		}
	}
	return lines
}

func (b *logBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// quiet is a logger that says nothing.
var quiet = slog.New(slog.DiscardHandler)

// A msg is one message of the protocol, or the part of one that matters.
type msg = labtest.Fields

// login logs p in and checks that it is welcome.
func login(p *labtest.Peer, name string) labtest.Message {
	p.SendJSON(msg{"type": "login", "username": name, "password": "secret of " + name})
	return p.Expect(msg{"type": "login_response", "success": true})
}

// member connects a client called name and logs it in under that name.
func member(t *labtest.T, s *testServer, name string) *labtest.Peer {
	t.Helper()
	p := t.Dial(name, s.Addr())
	login(p, name)
	return p
}

// nothingElse checks that the server has sent p nothing that p has not read:
// it asks a question, and the answer must be the next thing to come. No test
// has to wait for a silence that way.
func nothingElse(p *labtest.Peer) {
	p.SendJSON(msg{"type": "anything else?", "id": "nothing else"})
	p.Expect(msg{"type": "error", "id": "nothing else"})
}

// deadlined gives conn the time that tests wait for anything.
func deadlined(conn net.Conn) net.Conn {
	conn.SetDeadline(time.Now().Add(labtest.Patience))
	return conn
}

func isTimeout(err error) bool { return errors.Is(err, os.ErrDeadlineExceeded) }

// stillThere checks that the server answers p, whatever else it sends.
func stillThere(p *labtest.Peer) {
	p.SendJSON(msg{"type": "anything else?", "id": "still there"})
	p.Await(msg{"type": "error", "id": "still there"})
}

// The probes say, in the smallest way there is, whether a stage works so far
// that a later one can be judged.
func init() {
	labtest.Probe(1, func() error {
		frames := tcpserver.NewDecoder(strings.NewReader("a\nb\n"))
		for _, want := range []string{"a", "b"} {
			if got, err := frames.Next(); err != nil || string(got) != want {
				return fmt.Errorf("Decoder.Next() on %q = %q, %w; want %q", "a\nb\n", got, orNil(err), want)
			}
		}
		var out bytes.Buffer
		if err := tcpserver.WriteFrame(&out, []byte("a")); err != nil || out.String() != "a\n" {
			return fmt.Errorf("WriteFrame of %q wrote %q, %w", "a", out.String(), orNil(err))
		}
		return nil
	})
	labtest.Probe(2, func() error {
		line := `{"type":"chat","content":"hi"}`
		req, err := tcpserver.ParseRequest([]byte(line))
		if err != nil {
			return fmt.Errorf("ParseRequest(%s): %w", line, err)
		}
		if req.Type != "chat" || req.Content != "hi" {
			return fmt.Errorf("ParseRequest(%s) read %+v", line, req)
		}
		if _, err := tcpserver.ParseRequest([]byte("?")); err == nil {
			return errors.New("ParseRequest(?) gave no error")
		}
		return nil
	})
	labtest.Probe(3, func() error { return converse("?", "error") })
	labtest.Probe(4, func() error { return converse(loginAs("alice"), "login_response") })
	labtest.Probe(5, probeChat)
	labtest.Probe(7, func() error {
		return converse(loginAs("alice"), "login_response", `{"type":"logout"}`, "logout_response")
	})
}

func loginAs(name string) string {
	return fmt.Sprintf(`{"type":"login","username":%q,"password":"x"}`, name)
}

func orNil(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

// converse starts a server and has a talk with it: a line to send, the type of
// the answer, and so on.
func converse(talk ...string) error {
	return withServer(func(dial func() (*probeConn, error)) error {
		c, err := dial()
		if err != nil {
			return err
		}
		for i := 0; i < len(talk); i += 2 {
			if err := c.ask(talk[i], talk[i+1]); err != nil {
				return err
			}
		}
		return nil
	})
}

func probeChat() error {
	return withServer(func(dial func() (*probeConn, error)) error {
		alice, err := dial()
		if err != nil {
			return err
		}
		bob, err := dial()
		if err != nil {
			return err
		}
		return errors.Join(
			alice.ask(loginAs("alice"), "login_response"),
			bob.ask(loginAs("bob"), "login_response"),
			alice.ask(`{"type":"chat","content":"hi","id":1}`, "chat_response"),
			bob.ask("", "chat_message"),
		)
	})
}

func withServer(talk func(dial func() (*probeConn, error)) error) error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	defer l.Close()
	s, err := serve(l)
	if err != nil {
		return err
	}
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	return talk(func() (*probeConn, error) {
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			return nil, err
		}
		conns = append(conns, c)
		return &probeConn{Conn: deadlined(c)}, nil
	})
}

type probeConn struct {
	net.Conn
	rest []byte
	last answer // what answered the last ask
}

// An answer is the part of a message that probes look at.
type answer struct {
	Type, Code string
	Success    bool
}

// ask sends line, if there is one, and reads until a message comes that has
// the type, or the code, want.
func (c *probeConn) ask(line, want string) error {
	if line != "" {
		if _, err := c.Write([]byte(line + "\n")); err != nil {
			return err
		}
	}
	buf := make([]byte, 4096)
	for {
		for {
			got, rest, whole := bytes.Cut(c.rest, []byte("\n"))
			if !whole {
				break
			}
			c.rest = rest
			c.last = answer{}
			if err := json.Unmarshal(got, &c.last); err != nil {
				return fmt.Errorf("the answer to %s is %s", line, got)
			}
			if c.last.Type == want || c.last.Code == want {
				return nil
			}
			if c.last.Code == "not_implemented" {
				return fmt.Errorf("the answer to %s is %s", line, got)
			}
		}
		n, err := c.Read(buf)
		if err != nil {
			return fmt.Errorf("no %s came: %w", want, err)
		}
		c.rest = append(c.rest, buf[:n]...)
	}
}
