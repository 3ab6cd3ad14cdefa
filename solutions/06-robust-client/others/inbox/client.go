package robustclient

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"
)

// Defaults of a Client's times.
const (
	DefaultAttemptTimeout = 5 * time.Second
	DefaultCloseTimeout   = 5 * time.Second
)

// MaxLine is the most bytes that a line from the server may have, its LF
// included.
const MaxLine = 64 << 10

// What a Client's methods return beside the errors of the network.
var (
	// ErrNotConnected says that there is no connection: not yet, or not any more.
	ErrNotConnected = errors.New("not connected")
	// ErrConnected says that there is a connection already.
	ErrConnected = errors.New("connected already")
)

// A DialFunc makes a connection, as the method DialContext of a net.Dialer does.
type DialFunc func(ctx context.Context, network, addr string) (net.Conn, error)

// A Client has at most one connection to a server at a time. Its fields are set
// before its first use and not changed afterwards. Its methods may be called by
// several goroutines at once.
type Client struct {
	// Addr is the server's address, host:port.
	Addr string

	// Dial makes a connection; nil is that of a net.Dialer.
	Dial DialFunc

	// Handshake, if it is not nil, is what a new connection begins with: a
	// login, for example. An attempt whose Handshake fails has failed. It has the
	// attempt's time.
	Handshake func(ctx context.Context, conn net.Conn) error

	// Backoff says how long to wait between attempts.
	Backoff Backoff

	// AttemptTimeout is how long one attempt may take, Handshake included; 0 is
	// DefaultAttemptTimeout.
	AttemptTimeout time.Duration

	// Budget is how long Connect may take in all, attempts and waits together; 0
	// is no limit.
	Budget time.Duration

	// MaxAttempts is how many attempts Connect may make; 0 is no limit.
	MaxAttempts int

	// OnAttempt, if it is not nil, is told of each attempt when it is over, in
	// order, and before the wait for the next one. Connect waits for it to
	// return.
	OnAttempt func(Attempt)

	// CloseTimeout is how long CloseGracefully may take; 0 is
	// DefaultCloseTimeout.
	CloseTimeout time.Duration

	mu   sync.Mutex
	conn *connection // nil: not connected
}

// A connection is a net.Conn and what a Client knows about it.
type connection struct {
	net.Conn

	out chan error // has one element: why nothing more may be sent. Who sends has taken it

	in    turn // of receiving
	inbox inbox
}

// Use takes a connection that was made elsewhere. If the client has one
// already, it closes conn and returns ErrConnected.
func (c *Client) Use(conn net.Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn != nil {
		conn.Close()
		return ErrConnected
	}
	c.conn = &connection{Conn: conn, out: make(chan error, 1), in: newTurn(), inbox: inbox{parts: make(chan part, 1)}}
	c.conn.out <- nil
	return nil
}

// Connected tells whether the client has a connection. That the server is still
// there, only an answer of it can tell.
func (c *Client) Connected() bool {
	_, err := c.current()
	return err == nil
}

// Drop closes the connection at once, if there is one.
func (c *Client) Drop() {
	if conn, err := c.current(); err == nil {
		c.forget(conn)
		conn.Close()
	}
}

// current is the connection, or ErrNotConnected.
func (c *Client) current() (*connection, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == nil {
		return nil, ErrNotConnected
	}
	return c.conn, nil
}

// forget makes the client unconnected, if conn is its connection.
func (c *Client) forget(conn *connection) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.conn == conn {
		c.conn = nil
	}
}

func (c *Client) dial(ctx context.Context) (net.Conn, error) {
	if c.Dial == nil {
		return new(net.Dialer).DialContext(ctx, "tcp", c.Addr)
	}
	return c.Dial(ctx, "tcp", c.Addr)
}

func (c *Client) attemptTimeout() time.Duration {
	if c.AttemptTimeout == 0 {
		return DefaultAttemptTimeout
	}
	return c.AttemptTimeout
}

func (c *Client) closeTimeout() time.Duration {
	if c.CloseTimeout == 0 {
		return DefaultCloseTimeout
	}
	return c.CloseTimeout
}
