package echo

import (
	"bufio"
	"net"
	"sync"
)

// Server answers every line with the same line.
type Server struct {
	mu       sync.Mutex
	listener net.Listener
	conns    map[net.Conn]bool
	served   int
	stopped  bool
	wg       sync.WaitGroup
}

// Serve serves every client of l, until Stop.
func (s *Server) Serve(l net.Listener) error {
	s.mu.Lock()
	s.listener, s.conns = l, map[net.Conn]bool{}
	if s.stopped {
		l.Close()
	}
	s.mu.Unlock()
	for {
		conn, err := l.Accept()
		if err != nil {
			s.wg.Wait()
			return nil
		}
		s.mu.Lock()
		s.conns[conn] = true
		if s.stopped {
			conn.Close()
		}
		s.mu.Unlock()
		s.wg.Go(func() { s.answer(conn) })
	}
}

func (s *Server) answer(conn net.Conn) {
	defer conn.Close()
	in := bufio.NewReader(conn)
	for {
		line, err := in.ReadBytes('\n')
		if err != nil {
			break
		}
		if _, err := conn.Write(line); err != nil {
			break
		}
	}
	s.mu.Lock()
	delete(s.conns, conn)
	s.served++
	s.mu.Unlock()
}

// Stop ends Serve and every connection.
func (s *Server) Stop() {
	s.mu.Lock()
	s.stopped = true
	if s.listener != nil {
		s.listener.Close()
	}
	for conn := range s.conns {
		conn.Close()
	}
	s.mu.Unlock()
	s.wg.Wait()
}

// Served is the number of clients that were served to their end.
func (s *Server) Served() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.served
}
