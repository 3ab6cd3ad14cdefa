package tcpclient

import (
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
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
	lastID   atomic.Uint64 // of a request

	life  chan life     // holds one value, and whoever takes it out may change it
	close chan struct{} // closed when Close has been called
	done  chan struct{} // closed when the connection has ended, ...
	cause error         // ... and this is why; not to be read before

	// What the desk is told, see there.
	incoming  chan Message
	questions chan question
	ends      chan error
	// What the writer is told.
	tasks    chan task
	lastTask chan struct{} // there will be no more
	// What the desk tells others.
	pings      chan Message
	deliveries chan Message
}

// A life is how far a client has come.
type life struct {
	taken  bool     // there is a connection, or somebody is making one
	giveUp func()   // makes the Connect that is under way return
	conn   net.Conn // set once
}

// New makes a client that is not connected yet.
func New(options Options) *Client {
	if options.QueueLimit == 0 {
		options.QueueLimit = DefaultQueueLimit
	}
	if options.Logger == nil {
		options.Logger = slog.Default()
	}
	c := &Client{
		options:    options,
		life:       make(chan life, 1),
		tasks:      make(chan task),
		lastTask:   make(chan struct{}),
		close:      make(chan struct{}),
		done:       make(chan struct{}),
		incoming:   make(chan Message),
		questions:  make(chan question),
		ends:       make(chan error),
		pings:      make(chan Message, 16),
		deliveries: make(chan Message),
	}
	c.life <- life{}
	return c
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
		<-c.life
		c.life <- life{}
		if isClosed(c.close) {
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
	l := <-c.life
	defer func() { c.life <- l }()
	switch {
	case isClosed(c.close), isClosed(c.done):
		return ErrClosed
	case l.taken:
		return ErrAlreadyConnected
	}
	l = life{taken: true, giveUp: giveUp}
	return nil
}

// begin gives the client its connection and starts its goroutines: the desk,
// one that receives, one that calls handlers, one that answers pings.
func (c *Client) begin(conn net.Conn) error {
	l := <-c.life
	defer func() { c.life <- l }()
	if isClosed(c.close) {
		cut(conn)
		return ErrClosed
	}
	l.conn, l.giveUp = conn, nil
	go c.desk(conn)
	go c.receive(conn)
	go c.writer(conn)
	go c.handleAll()
	go c.answerPings()
	return nil
}

// desk owns what changes while there is a connection: who waits for answers,
// what waits for handlers, and whether it is the end. All others talk to it.
// It waits for nobody in particular.
func (c *Client) desk(conn net.Conn) {
	defer close(c.deliveries)
	var (
		asking = map[string]chan<- Message{}
		queue  []Message
		size   int // of what is in queue
	)
	end := func(cause error) {
		if isClosed(c.done) {
			return
		}
		if isClosed(c.close) {
			cause = ErrClosed
		}
		c.cause = cause
		cut(conn)
		close(c.done)
	}
	for !isClosed(c.done) || len(queue) > 0 {
		var deliveries chan<- Message
		var first Message
		if len(queue) > 0 {
			deliveries, first = c.deliveries, queue[0]
		}
		select {
		case cause := <-c.ends:
			end(cause)
		case q := <-c.questions:
			if q.answer == nil {
				delete(asking, q.id)
			} else {
				asking[q.id] = q.answer
			}
		case deliveries <- first:
			queue[0] = Message{}
			queue = queue[1:]
			size -= len(first.Frame)
		case m := <-c.incoming:
			switch answer := asking[m.ID]; {
			case isClosed(c.done):
			case m.Type == TypePing:
				c.pinged(m)
			case c.isAnswer(m):
				if answer != nil {
					delete(asking, m.ID)
					answer <- m // has room for one
				}
			case size+len(m.Frame) > c.options.QueueLimit:
				end(ErrTooSlow)
			default:
				queue = append(queue, m)
				size += len(m.Frame)
			}
		}
	}
}

// receive is the client's receive loop.
func (c *Client) receive(conn net.Conn) {
	c.end(Receive(conn, func(m Message) {
		select {
		case c.incoming <- m:
		case <-c.done:
		}
	}, func(frame []byte, err error) {
		c.options.Logger.Warn("received no message", "frame", string(frame[:min(len(frame), 200)]), "err", err)
	}))
}

// end ends the connection, for a reason, unless it has ended before: the first
// reason is the reason. When it returns the connection has ended.
func (c *Client) end(cause error) {
	select {
	case c.ends <- cause:
		<-c.done
	case <-c.done:
	}
}

func isClosed(c <-chan struct{}) bool {
	select {
	case <-c:
		return true
	default:
		return false
	}
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
	if isClosed(c.done) {
		return c.cause
	}
	return nil
}
