package tcpserver

import (
	"errors"
	"net"
	"runtime/debug"
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
	if !s.beginServe(l) {
		return ErrServerClosed
	}
	defer s.endServe(l)
	var pause time.Duration
	for {
		conn, err := l.Accept()
		switch {
		case err == nil:
			pause = 0
			s.startSession(conn)
		case s.isClosing():
			return ErrServerClosed
		case errors.Is(err, syscall.ECONNABORTED):
			// That client is gone; the next one is not.
		case isShortage(err):
			pause = min(max(2*pause, firstPause), longestPause)
			s.logger().Warn("cannot accept for now", "err", err, "pause", pause)
			time.Sleep(pause)
		default:
			return err
		}
	}
}

// isShortage tells whether err is want of a resource that other connections
// give back when they end.
func isShortage(err error) bool {
	for _, shortage := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM} {
		if errors.Is(err, shortage) {
			return true
		}
	}
	return false
}

// startSession serves conn in a goroutine of its own, or turns it away: when
// the server is full, and when it is being shut down.
func (s *Server) startSession(conn net.Conn) {
	c := newSession(s, conn)
	s.mu.Lock()
	if s.closing {
		s.mu.Unlock()
		conn.Close()
		return
	}
	full := s.MaxConns > 0 && len(s.sessions) >= s.MaxConns
	if !full {
		if s.sessions == nil {
			s.sessions = make(map[*session]bool)
		}
		s.sessions[c] = true
	}
	s.running.Add(1) // while s.mu keeps Shutdown from waiting already
	s.mu.Unlock()

	go func() {
		defer s.running.Done()
		defer s.endSession(c)
		if full {
			c.refuse(CodeServerFull, "the server is full, try again later")
			return
		}
		c.serve()
	}()
}

// endSession forgets c and closes its connection. A panic in its handling ends
// here: one client's message must not take the others down.
func (s *Server) endSession(c *session) {
	if p := recover(); p != nil {
		s.logger().Error("panic while serving a client", "panic", p, "stack", string(debug.Stack()))
	}
	c.end()
	s.mu.Lock()
	delete(s.sessions, c)
	s.mu.Unlock()
}
