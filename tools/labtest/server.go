package labtest

import (
	"net"
	"time"
)

// Server is a scripted server, for labs whose code is a client: it listens, and
// each connection that it accepts is a Peer.
type Server struct {
	t        *T
	name     string
	listener *net.TCPListener
}

// Server listens on an ephemeral port of 127.0.0.1 until the test ends. Tests
// of a client say first what the thing under test is called: t.Subject("client").
func (t *T) Server(name string) *Server {
	t.Helper()
	l, err := net.ListenTCP("tcp", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { l.Close() })
	return &Server{t: t, name: name, listener: l}
}

// Addr is where the server listens, host:port.
func (s *Server) Addr() string { return s.listener.Addr().String() }

// Accept waits for the next connection, and plays the server's end of it as the
// participant called name.
func (s *Server) Accept(name string) *Peer {
	s.t.Helper()
	s.listener.SetDeadline(time.Now().Add(Patience))
	conn, err := s.listener.Accept()
	if err != nil {
		s.t.Broken(saidNoClient, s.t.subjectName(), s.name, seconds(Patience))
	}
	return s.t.Peer(name, conn)
}

// Close stops listening: whoever connects from now on is refused.
func (s *Server) Close() { s.listener.Close() }
