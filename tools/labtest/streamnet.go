package labtest

import (
	"context"
	"fmt"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// StreamNet is a network in memory, with connections like those of TCP: bytes
// in order, a buffer that fills, half-close, reset, deadlines. What a Proxy does
// to the bytes of a real connection, it does too. Waiting on it counts as
// waiting on fake time, so that thousands of clients, and hours, cost
// milliseconds and are exact.
//
// Make it before T.FakeTime is called, and use it inside: what it makes may
// belong to the fake time.
type StreamNet struct {
	// Buffer is how many bytes one direction of a connection holds, on their way
	// or not read yet, before a Write has to wait; 0 is 64 KiB. Set it before
	// the first connection.
	Buffer int

	// MostPerWrite makes each Write take no more than so many bytes and return
	// without an error, which io.Writer forbids: for code that must notice. 0 is
	// off.
	MostPerWrite int

	t      *T
	name   string
	faults [2]faults

	mu        sync.Mutex
	listeners map[string]*StreamListener
	streams   map[*stream]bool
	open      chan struct{} // nil, or closed when a Stall ends
	count     int
}

// DefaultStreamBuffer is what a direction of a connection of a StreamNet holds,
// in bytes.
const DefaultStreamBuffer = 64 << 10

// streamBacklog is how many connections wait for Accept; a connect beyond them
// waits itself.
const streamBacklog = 128

// StreamNet makes a network in memory. Its faults happen on each of its
// connections; whatever is random in them comes from the test's seed, the name,
// and the number of the connection.
//
// A piece (Fragment) comes out in a Read of its own. Pieces that are delayed
// travel at the same time, and none overtakes another. The least delay of each
// direction is also what connecting costs, and what an end (FIN, RST) takes to
// arrive.
func (t *T) StreamNet(name string, faults ...Fault) *StreamNet {
	n := &StreamNet{t: t, name: name, listeners: map[string]*StreamListener{}, streams: map[*stream]bool{}}
	n.faults = allFaults(faults)
	return n
}

// Pair is a connection: its client's end and its server's end.
func (n *StreamNet) Pair() (client, server *StreamConn) {
	n.mu.Lock()
	n.count++
	number := n.count
	n.mu.Unlock()
	return n.pair(fmt.Sprintf("%s:%d", n.name, number), fmt.Sprintf("%s:0", n.name), number)
}

func (n *StreamNet) pair(client, server string, number int) (*StreamConn, *StreamConn) {
	s := &stream{net: n}
	s.changed = sync.NewCond(&s.mu)
	addrs := [2]streamAddr{ToServer: streamAddr(server), ToClient: streamAddr(client)}
	for d := range s.flows {
		f := &flow{plan: plan{faults: n.faults[d]}}
		if f.plan.faults.random() {
			f.plan.rand = n.t.random(fmt.Sprintf("%s %d %d", n.name, number, d))
		}
		s.flows[d] = f
		s.ends[d] = &StreamConn{stream: s, in: Direction(d), local: addrs[d], remote: addrs[1-d]}
	}
	n.mu.Lock()
	n.streams[s] = true
	s.stalled = n.open != nil
	n.mu.Unlock()
	s.mu.Lock()
	for d := range s.flows {
		s.checkLimit(Direction(d))
	}
	s.mu.Unlock()
	return s.ends[ToClient], s.ends[ToServer]
}

// Stall stops everything on its way, on all connections and on those that are
// being made, until Resume.
func (n *StreamNet) Stall() {
	n.mu.Lock()
	if n.open == nil {
		n.open = make(chan struct{})
	}
	n.mu.Unlock()
	n.each(func(s *stream) { s.stalled = true })
}

// Resume ends a Stall. Nothing was lost.
func (n *StreamNet) Resume() {
	n.mu.Lock()
	if n.open != nil {
		close(n.open)
		n.open = nil
	}
	n.mu.Unlock()
	n.each(func(s *stream) {
		s.stalled = false
		s.deliver()
	})
}

// Cut ends all present connections in good order (FIN), for both ends. What is
// on its way still arrives; what is sent from then on is swallowed.
func (n *StreamNet) Cut() { n.each(func(s *stream) { s.sever(parcelFIN) }) }

// Reset resets all present connections (RST), for both ends.
func (n *StreamNet) Reset() { n.each(func(s *stream) { s.sever(parcelRST) }) }

func (n *StreamNet) each(f func(*stream)) {
	n.mu.Lock()
	var all []*stream
	for s := range n.streams {
		all = append(all, s)
	}
	n.mu.Unlock()
	for _, s := range all {
		s.mu.Lock()
		f(s)
		s.mu.Unlock()
	}
}

func (n *StreamNet) forget(s *stream) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.streams, s)
}

func (n *StreamNet) buffer() int {
	if n.Buffer == 0 {
		return DefaultStreamBuffer
	}
	return n.Buffer
}

// Listen listens on addr, host:port with any host: there are no names to look
// up. An address that is listened on already is an error (EADDRINUSE).
func (n *StreamNet) Listen(addr string) (*StreamListener, error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.listeners[addr] != nil {
		return nil, opError("listen", nil, streamAddr(addr), os.NewSyscallError("bind", syscall.EADDRINUSE))
	}
	l := &StreamListener{net: n, addr: streamAddr(addr), pending: make(chan *StreamConn, streamBacklog), closed: make(chan struct{})}
	n.listeners[addr] = l
	return l, nil
}

// DialContext connects to addr. It has the shape of net.Dialer's. Nobody
// listens: ECONNREFUSED, after a round trip. Too many wait for Accept, or the
// network is stalled: it waits until ctx ends.
func (n *StreamNet) DialContext(ctx context.Context, _, addr string) (net.Conn, error) {
	conn, err := n.dial(ctx, addr)
	if err != nil {
		return nil, opError("dial", nil, streamAddr(addr), err)
	}
	return conn, nil
}

func (n *StreamNet) dial(ctx context.Context, addr string) (*StreamConn, error) {
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	if d := n.faults[ToServer].minDelay + n.faults[ToClient].minDelay; d > 0 {
		timer := time.NewTimer(d)
		defer timer.Stop()
		select {
		case <-timer.C:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	n.mu.Lock()
	open := n.open
	n.mu.Unlock()
	if open != nil {
		select {
		case <-open:
		case <-ctx.Done():
			return nil, ctx.Err()
		}
	}
	n.mu.Lock()
	l := n.listeners[addr]
	n.count++
	number := n.count
	n.mu.Unlock()
	if l == nil {
		return nil, errRefused
	}
	client, server := n.pair(fmt.Sprintf("client:%d", number), addr, number)
	select {
	case l.pending <- server:
		if l.isClosed() {
			l.turnAway() // Close did not see this one
		}
		return client, nil
	case <-l.closed:
		client.Close()
		server.Close()
		return nil, errRefused
	case <-ctx.Done():
		client.Close()
		server.Close()
		return nil, ctx.Err()
	}
}

var errRefused = os.NewSyscallError("connect", syscall.ECONNREFUSED)

// StreamListener is a net.Listener of a StreamNet.
type StreamListener struct {
	net     *StreamNet
	addr    streamAddr
	pending chan *StreamConn
	closing sync.Once
	closed  chan struct{}
}

// Accept waits for the next connection. What it returns is a *StreamConn.
func (l *StreamListener) Accept() (net.Conn, error) {
	if !l.isClosed() {
		select {
		case c := <-l.pending:
			return c, nil
		case <-l.closed:
		}
	}
	return nil, opError("accept", nil, l.addr, net.ErrClosed)
}

// Close stops listening: who connects is refused, and who waits for Accept is
// reset. Connections that were accepted stay.
func (l *StreamListener) Close() error {
	err := opError("close", nil, l.addr, net.ErrClosed)
	l.closing.Do(func() {
		l.net.mu.Lock()
		delete(l.net.listeners, string(l.addr))
		l.net.mu.Unlock()
		close(l.closed)
		l.turnAway()
		err = nil
	})
	return err
}

// Addr is where it listens, as DialContext takes it.
func (l *StreamListener) Addr() net.Addr { return l.addr }

func (l *StreamListener) isClosed() bool {
	select {
	case <-l.closed:
		return true
	default:
		return false
	}
}

// turnAway resets those who wait for an Accept that does not come any more.
func (l *StreamListener) turnAway() {
	for {
		select {
		case c := <-l.pending:
			c.Reset()
		default:
			return
		}
	}
}

// streamAddr is an address of a StreamNet, host:port.
type streamAddr string

func (streamAddr) Network() string  { return "memory" }
func (a streamAddr) String() string { return string(a) }

// opError is err as package net would return it.
func opError(op string, source, addr net.Addr, err error) error {
	return &net.OpError{Op: op, Net: streamAddr("").Network(), Source: source, Addr: addr, Err: err}
}
