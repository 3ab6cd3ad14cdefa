package tcpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

var (
	// ErrClosed is why a connection ended that Close has ended, and what a
	// client returns that has come to its end when it is asked to connect.
	ErrClosed = errors.New("client is closed")

	// ErrNotConnected reports something that needs a connection, before there
	// is one.
	ErrNotConnected = errors.New("client is not connected")

	// ErrAlreadyConnected reports a second connection for one client.
	ErrAlreadyConnected = errors.New("client is connected already")

	// ErrTooSlow is why a connection ended whose messages came faster than the
	// handlers took them, by more than Options.QueueLimit.
	ErrTooSlow = errors.New("handlers are too slow: too many messages wait for them")
)

// DefaultQueueLimit is what Options.QueueLimit is when it is 0, in bytes.
const DefaultQueueLimit = 1 << 20

// Options are what a client is told before it is made. They cannot change
// while it is at work.
type Options struct {
	Dialer Dialer

	// TLS, if not nil, makes Connect talk TLS (see Secure).
	TLS *tls.Config

	// WriteTimeout is how long one message may take to be written. 0 is no
	// limit but that of the context.
	WriteTimeout time.Duration

	// QueueLimit is how many bytes of messages may wait for handlers; 0 is
	// DefaultQueueLimit.
	QueueLimit int

	// OnDisconnect is called exactly once for a connection, after it has ended
	// and everything that came over it has been handled, with the reason: what
	// Err returns. It runs where handlers run, and a panic in it is logged like
	// theirs. nil is nobody to be told.
	OnDisconnect func(cause error)

	// Logger gets what whoever runs the client should know; nil is
	// slog.Default().
	Logger *slog.Logger
}

// A Client is one end of one connection to a chat server. It has one in its
// life: to connect again, make another. All of its methods may be called by
// several goroutines at once, and by handlers.
type Client struct {
	options  Options
	handlers handlers
	inbox    *inbox
	turn     chan struct{} // has a value while somebody writes
	pings    chan Message  // of the server, to be answered
	done     chan struct{} // closed when the connection has ended
	lastID   atomic.Uint64 // of a request

	mu      sync.Mutex // guards what follows
	taken   bool       // there is a connection, or somebody is making one
	giveUp  func()     // makes the Connect that is under way return
	conn    net.Conn   // set once
	closing bool       // Close has been called
	cause   error      // why the connection has ended; nil before
	pending map[string]chan<- Message
}

// New makes a client that is not connected yet.
func New(options Options) *Client {
	if options.QueueLimit == 0 {
		options.QueueLimit = DefaultQueueLimit
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	return &Client{
		options: options,
		inbox:   newInbox(options.QueueLimit),
		turn:    make(chan struct{}, 1),
		pings:   make(chan Message, 16),
		done:    make(chan struct{}),
		pending: make(map[string]chan<- Message),
	}
}

// Connect connects to the server at addr, "host:port", and begins to receive.
// ctx is for connecting, the TLS handshake included, and for nothing later.
//
// It returns ErrAlreadyConnected if the client has a connection or is about to
// have one, which stays as it is, and ErrClosed if it has come to its end or
// does so meanwhile. After any other error, see Why, Connect may be called
// again.
func (c *Client) Connect(ctx context.Context, addr string) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	if err := c.take(cancel); err != nil {
		return err
	}
	conn, err := c.dial(ctx, addr)
	if err != nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.taken = false
		if c.closing {
			return ErrClosed
		}
		return err
	}
	return c.begin(conn)
}

// Start is Connect with a connection that somebody else has made, and that now
// belongs to the client. The errors are Connect's; with them, conn is closed.
func (c *Client) Start(conn net.Conn) error {
	if err := c.take(nil); err != nil {
		conn.Close()
		return err
	}
	return c.begin(conn)
}

// dial makes the connection, with TLS if that is wanted.
func (c *Client) dial(ctx context.Context, addr string) (net.Conn, error) {
	conn, err := c.options.Dialer.Dial(ctx, addr)
	if err != nil || c.options.TLS == nil {
		return conn, err
	}
	host, _, err := net.SplitHostPort(addr)
	if err != nil {
		conn.Close()
		return nil, err
	}
	return Secure(ctx, conn, host, c.options.TLS)
}

// take makes the caller the one who may give the client its connection.
func (c *Client) take(giveUp func()) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	switch {
	case c.closing || c.cause != nil:
		return ErrClosed
	case c.taken:
		return ErrAlreadyConnected
	}
	c.taken = true
	c.giveUp = giveUp
	return nil
}

// begin gives the client its connection and starts its goroutines: one
// receives, one calls handlers, one answers the server's pings.
func (c *Client) begin(conn net.Conn) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closing {
		conn.Close()
		return ErrClosed
	}
	c.conn = conn
	go c.receive(conn)
	go c.handleAll()
	go c.answerPings()
	return nil
}

// receive is the client's receive loop.
func (c *Client) receive(conn net.Conn) {
	c.end(Receive(conn, c.received, func(_ []byte, err error) {
		c.options.Logger.Warn("the server sent something that is no message", "err", err)
	}))
	c.inbox.close()
}

// received passes m on to whoever has to do with it. It never waits: as long
// as it does, nothing else is received.
func (c *Client) received(m Message) {
	switch {
	case m.Type == TypePing:
		c.pinged(m)
	case c.answered(m):
	default:
		if err := c.inbox.push(m); err != nil {
			c.end(err)
		}
	}
}

// end ends the connection, for a reason, unless it has ended before: the first
// reason is the reason.
func (c *Client) end(cause error) {
	c.mu.Lock()
	if c.cause != nil {
		c.mu.Unlock()
		return
	}
	if c.closing {
		cause = ErrClosed // whatever it looks like from here: it was wanted
	}
	c.cause = cause
	conn := c.conn
	c.mu.Unlock()

	if conn != nil {
		cut(conn)
	}
	close(c.done)
}

// Done is closed when the connection has ended. Messages that came before may
// still wait for their handlers then; OnDisconnect comes after the last. What
// Done and Err say of a client that was closed before it had a connection is not
// promised.
func (c *Client) Done() <-chan struct{} { return c.done }

// Err tells why the connection has ended: ErrClosed after Close, otherwise what
// Receive returned, what a write failed with, or ErrTooSlow. It is nil as long
// as it has not ended.
func (c *Client) Err() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.cause
}
