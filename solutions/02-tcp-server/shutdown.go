package tcpserver

import (
	"context"
	"net"
)

// Shutdown ends the server in order: it closes the listeners, so that the port
// is free and nobody new comes in; tells every client (an error with
// CodeShutdown), lets it have what is still waiting for it, and closes its
// connection; and returns nil when the last goroutine of the server has ended.
//
// When ctx ends first, Shutdown closes all connections at once and returns
// ctx's error. Calling it again, also at the same time, waits for the same
// end. A Serve that is called afterwards returns ErrServerClosed.
func (s *Server) Shutdown(ctx context.Context) error {
	s.mu.Lock()
	s.closing = true // no session is added from here on
	for l := range s.listeners {
		l.Close()
	}
	for c := range s.sessions {
		c.stop()
	}
	s.mu.Unlock()

	done := make(chan struct{})
	go func() {
		s.running.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-ctx.Done():
		s.mu.Lock()
		defer s.mu.Unlock()
		for c := range s.sessions {
			c.conn.Close()
		}
		return ctx.Err()
	}
}

// beginServe registers a listener, and reports whether the server may serve.
func (s *Server) beginServe(l net.Listener) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closing {
		return false
	}
	if s.listeners == nil {
		s.listeners = make(map[net.Listener]bool)
	}
	s.listeners[l] = true
	s.running.Add(1)
	return true
}

func (s *Server) endServe(l net.Listener) {
	s.mu.Lock()
	delete(s.listeners, l)
	s.mu.Unlock()
	s.running.Done()
}

func (s *Server) isClosing() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.closing
}
