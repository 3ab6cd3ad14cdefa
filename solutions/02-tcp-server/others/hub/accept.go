package tcpserver

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// Pauses after an Accept that failed for want of something that will be there
// again: the first one, doubling up to the longest. net/http waits the same.
const (
	firstPause   = 5 * time.Millisecond
	longestPause = 1 * time.Second
)

// Serve accepts connections from l and serves each in a goroutine of its own,
// until l is closed or fails for good. It always returns an error that is not
// nil: ErrServerClosed after Shutdown, otherwise that of Accept. Serve closes
// l before it returns.
//
// A client that gave up while it waited (ECONNABORTED) does not end it. Nor
// does the want of descriptors (EMFILE, ENFILE) or memory (ENOBUFS, ENOMEM),
// see accept(2): Serve then pauses for 5 ms, doubling up to 1 s while it
// lasts, since trying again at once would only burn the processor.
func (s *Server) Serve(l net.Listener) error {
	defer l.Close()
	h := s.acquire()
	may := false
	h.call(func() {
		if may = !s.state.closing; may {
			s.state.listeners[l] = true
			s.running.Add(1)
		}
	})
	if !may {
		s.release()
		return ErrServerClosed
	}
	defer s.running.Done()
	defer s.release()
	defer h.call(func() { delete(s.state.listeners, l) })
	pause := firstPause
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			pause = firstPause
			s.begin(conn)
		case s.isClosing():
			return ErrServerClosed
		case errors.Is(err, syscall.ECONNABORTED):
		case isShortage(err):
			s.logger().Warn("cannot accept", "err", err, "pause", pause)
			select {
			case <-time.After(pause):
			case <-s.closing:
			}
			pause = min(2*pause, longestPause)
		default:
			return err
		}
	}
}

// isShortage tells whether err is want of a resource that other connections
// give back when they end.
func isShortage(err error) bool {
	for _, e := range []error{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// begin starts a session for conn, unless the server is being shut down.
func (s *Server) begin(conn net.Conn) {
	h := s.acquire()
	c := newSession(s, h, conn)
	in := false
	h.call(func() {
		if s.state.closing {
			return
		}
		in = true
		c.refused = s.MaxConns > 0 && s.state.open >= s.MaxConns
		if !c.refused {
			s.state.open++
		}
		s.state.sessions[c] = true
		s.running.Add(1)
	})
	if !in {
		conn.Close()
		s.release()
		return
	}
	go func() {
		defer s.running.Done()
		defer s.release()
		c.run()
	}()
}
