package tcpserver

import (
	"errors"
	"log/slog"
	"sync"
	"time"
)

// Defaults of a Server's limits.
const (
	DefaultOutboxLimit  = 1 << 20         // bytes
	DefaultCloseTimeout = 1 * time.Second //
)

// ErrServerClosed is what Serve returns after a call of Shutdown.
var ErrServerClosed = errors.New("server is closed")

// A Server is a chat server. Its zero value is ready to serve; the fields are
// set before Serve is called and not changed afterwards.
type Server struct {
	// Authenticate decides whether a password lets a user in; nil lets in
	// whoever gives a password that is not empty, whatever it is. It may be
	// slow, and is called by several goroutines at once.
	Authenticate func(username, password string) error

	// MaxConns is how many connections may be open at once; 0 is no limit.
	MaxConns int

	// OutboxLimit is how many bytes may wait to be sent to one client before
	// it counts as too slow and is disconnected; 0 is DefaultOutboxLimit.
	OutboxLimit int

	// LoginTimeout is how long a connection may stay without logging in,
	// IdleTimeout how long a client may take from one whole message to the
	// next, WriteTimeout how long one write to a client may take. 0 is no
	// limit.
	LoginTimeout, IdleTimeout, WriteTimeout time.Duration

	// CloseTimeout bounds the end of a connection: flushing what is still to
	// be sent, and waiting for the client's end. 0 is DefaultCloseTimeout.
	CloseTimeout time.Duration

	// Logger gets what an operator should know; nil is slog.Default().
	Logger *slog.Logger

	// What the server knows belongs to the hub's goroutine, see hub.go. The
	// goroutine runs as long as anybody needs it: mu guards its coming and
	// going, and nothing else.
	mu      sync.Mutex
	hub     *hub
	users   int // of the hub: every Serve, Shutdown and session is one
	state   state
	closing chan struct{} // closed by the hub when Shutdown has been called

	running sync.WaitGroup // a count for each session, and for each Serve; the hub adds
}

func (s *Server) logger() *slog.Logger {
	if s.Logger == nil {
		return slog.Default()
	}
	return s.Logger
}

func (s *Server) outboxLimit() int {
	if s.OutboxLimit == 0 {
		return DefaultOutboxLimit
	}
	return s.OutboxLimit
}

func (s *Server) closeTimeout() time.Duration {
	if s.CloseTimeout == 0 {
		return DefaultCloseTimeout
	}
	return s.CloseTimeout
}
