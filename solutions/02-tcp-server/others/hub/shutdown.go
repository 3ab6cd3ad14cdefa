package tcpserver

import (
	"context"
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
	h := s.acquire()
	h.call(func() {
		if s.state.closing {
			return
		}
		s.state.closing = true
		close(s.closing)
		for l := range s.state.listeners {
			l.Close()
		}
		for c := range s.state.sessions {
			if !c.shut {
				c.conn.SetReadDeadline(longPast)
			}
		}
	})
	s.release()
	ended := make(chan struct{})
	go func() { s.running.Wait(); close(ended) }()
	select {
	case <-ended:
		return nil
	case <-ctx.Done():
	}
	h = s.acquire()
	defer s.release()
	h.call(func() {
		for c := range s.state.sessions {
			s.kick(c, errCutOff)
		}
	})
	return ctx.Err()
}

func (s *Server) isClosing() bool {
	select {
	case <-s.closing:
		return true
	default:
		return false
	}
}
