package labtest

import (
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"time"
)

// StreamConn is an end of a connection of a StreamNet. Beside the methods of
// net.Conn it has those of a *net.TCPConn that code may ask for, CloseWrite and
// SetLinger. Its errors are those of a TCP connection: io.EOF,
// os.ErrDeadlineExceeded, net.ErrClosed, ECONNRESET, EPIPE.
//
// Close while there is something to read, or when something comes later, resets
// the other end (RFC 1122, 4.2.2.13). A reset takes away what has arrived and
// was not read yet: Linux leaves it, others do not, and nothing may rely on it.
type StreamConn struct {
	stream        *stream
	in            Direction // in which it reads
	local, remote streamAddr

	// All that follows is guarded by stream.mu.
	inbox       [][]byte // the pieces that have arrived
	eof, reset  bool     // have arrived
	fin, closed bool     // CloseWrite, Close have been called
	abort       bool     // Close resets the other end, or has
	writing     bool     // somebody is in Write; others wait
	read, write streamDeadline
}

var (
	_ net.Conn     = (*StreamConn)(nil)
	_ net.Listener = (*StreamListener)(nil)
)

// stream is a connection.
type stream struct {
	net *StreamNet

	mu      sync.Mutex
	changed *sync.Cond     // something that somebody may wait for has happened
	flows   [2]*flow       // by direction
	ends    [2]*StreamConn // by the direction in which they read
	stalled bool           // nothing arrives
	severed bool           // nothing is taken any more
}

// flow is one direction of a stream.
type flow struct {
	plan  plan
	piece Piece     // what is left of the present one
	sent  int64     // bytes that have passed
	held  bool      // as many have passed as may; the rest stays here
	size  int       // bytes that were written and not read yet
	queue []parcel  // on the way, in the order of their arrival
	last  time.Time // when the last of them arrives
	free  time.Time // when the line has sent what it was given
	batch time.Time // when what is being coalesced goes on
}

// parcel is what travels: bytes, or an end.
type parcel struct {
	kind  parcelKind
	bytes []byte
	at    time.Time // arrival
}

type parcelKind int

const (
	parcelBytes parcelKind = iota
	parcelFIN
	parcelRST
)

// Read reads what has arrived, and waits while nothing has.
func (c *StreamConn) Read(p []byte) (int, error) {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	n, err := c.doRead(p)
	if err != nil && err != io.EOF {
		err = c.error("read", err)
	}
	return n, err
}

func (c *StreamConn) doRead(p []byte) (int, error) {
	for {
		switch {
		case c.closed:
			return 0, net.ErrClosed
		case c.read.passed():
			return 0, os.ErrDeadlineExceeded
		case len(p) == 0:
			return 0, nil
		case len(c.inbox) > 0:
			return c.take(p), nil
		case c.eof:
			return 0, io.EOF
		case c.reset:
			return 0, os.NewSyscallError("read", syscall.ECONNRESET)
		}
		c.stream.changed.Wait()
	}
}

// take moves bytes from the inbox to p. Pieces that a fault has made stay apart.
func (c *StreamConn) take(p []byte) (n int) {
	f := c.stream.flows[c.in]
	for len(c.inbox) > 0 && n < len(p) {
		k := copy(p[n:], c.inbox[0])
		n += k
		if c.inbox[0] = c.inbox[0][k:]; len(c.inbox[0]) == 0 {
			c.inbox = c.inbox[1:]
		}
		if f.plan.faults.maxPiece > 0 {
			break
		}
	}
	f.size -= n
	c.stream.changed.Broadcast()
	return n
}

// Write gives p to the network, and waits while that holds as much as it can.
// When it fails, the bytes that it returns the number of are on their way all
// the same.
func (c *StreamConn) Write(p []byte) (int, error) {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	if most := c.stream.net.MostPerWrite; most > 0 && len(p) > most {
		p = p[:most]
	}
	n, err := c.doWrite(p)
	if err != nil {
		err = c.error("write", err)
	}
	return n, err
}

func (c *StreamConn) doWrite(p []byte) (n int, err error) {
	s := c.stream
	for c.writing {
		if err := c.writable(); err != nil {
			return 0, err
		}
		s.changed.Wait()
	}
	c.writing = true
	defer func() {
		c.writing = false
		s.changed.Broadcast()
	}()
	for {
		if err := c.writable(); err != nil {
			return n, err
		}
		room := s.net.buffer() - s.flows[1-c.in].size
		if s.severed {
			room = len(p)
		}
		if k := min(room, len(p)-n); k > 0 {
			s.send(1-c.in, p[n:n+k])
			n += k
		}
		if n == len(p) {
			return n, nil
		}
		s.changed.Wait()
	}
}

// writable tells why nothing can be written now.
func (c *StreamConn) writable() error {
	switch {
	case c.closed:
		return net.ErrClosed
	case c.write.passed():
		return os.ErrDeadlineExceeded
	case c.fin, c.reset && c.eof:
		return os.NewSyscallError("write", syscall.EPIPE)
	case c.reset:
		return os.NewSyscallError("write", syscall.ECONNRESET)
	}
	return nil
}

// CloseWrite says that nothing more will be written (FIN); reading goes on.
func (c *StreamConn) CloseWrite() error {
	s := c.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case c.closed:
		return c.error("close", net.ErrClosed)
	case c.reset:
		return c.error("close", os.NewSyscallError("shutdown", syscall.ENOTCONN))
	case !c.fin:
		c.fin = true
		s.post(1-c.in, parcelFIN)
		s.changed.Broadcast()
	}
	return nil
}

// Close ends the connection in both directions. Whoever waits in Read or Write
// is woken, with net.ErrClosed.
func (c *StreamConn) Close() error {
	s := c.stream
	s.mu.Lock()
	defer s.mu.Unlock()
	if c.closed {
		return c.error("close", net.ErrClosed)
	}
	c.closed = true
	switch {
	case c.reset:
	case c.abort, len(c.inbox) > 0:
		s.post(1-c.in, parcelRST)
	case !c.fin:
		s.post(1-c.in, parcelFIN)
	}
	s.flows[c.in].drop(&c.inbox)
	c.read.set(s, time.Time{})
	c.write.set(s, time.Time{})
	s.changed.Broadcast()
	if s.ends[1-c.in].closed {
		s.net.forget(s)
	}
	return nil
}

// Reset throws the connection away, as a crashing machine does: the other end
// gets an RST.
func (c *StreamConn) Reset() {
	c.stream.mu.Lock()
	c.abort = true
	c.stream.mu.Unlock()
	c.Close()
}

// SetLinger with 0 makes Close reset the connection; any other number of
// seconds changes nothing, for Close never waits.
func (c *StreamConn) SetLinger(sec int) error {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	c.abort = sec == 0
	return nil
}

// LocalAddr is the address of this end.
func (c *StreamConn) LocalAddr() net.Addr { return c.local }

// RemoteAddr is the address of the other end.
func (c *StreamConn) RemoteAddr() net.Addr { return c.remote }

// SetDeadline sets both deadlines.
func (c *StreamConn) SetDeadline(t time.Time) error { return c.setDeadlines(t, &c.read, &c.write) }

// SetReadDeadline sets the point in time from which on Read fails with
// os.ErrDeadlineExceeded; the zero time is never.
func (c *StreamConn) SetReadDeadline(t time.Time) error { return c.setDeadlines(t, &c.read) }

// SetWriteDeadline is SetReadDeadline for Write.
func (c *StreamConn) SetWriteDeadline(t time.Time) error { return c.setDeadlines(t, &c.write) }

func (c *StreamConn) setDeadlines(t time.Time, which ...*streamDeadline) error {
	c.stream.mu.Lock()
	defer c.stream.mu.Unlock()
	if c.closed {
		return c.error("set", net.ErrClosed)
	}
	for _, d := range which {
		d.set(c.stream, t)
	}
	return nil
}

func (c *StreamConn) error(op string, err error) error {
	return opError(op, c.local, c.remote, err)
}

// streamDeadline is a point in time that wakes whoever waits.
type streamDeadline struct {
	at    time.Time
	timer *time.Timer
}

func (d *streamDeadline) set(s *stream, at time.Time) {
	if d.timer != nil {
		d.timer.Stop()
		d.timer = nil
	}
	d.at = at
	if wait := time.Until(at); !at.IsZero() && wait > 0 {
		d.timer = time.AfterFunc(wait, s.wake)
	}
	s.changed.Broadcast()
}

func (d *streamDeadline) passed() bool { return !d.at.IsZero() && !time.Now().Before(d.at) }

func (s *stream) wake() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.changed.Broadcast()
}

// send takes bytes in one direction, by the plan of its faults.
func (s *stream) send(d Direction, b []byte) {
	f := s.flows[d]
	for len(b) > 0 && !s.severed {
		if f.held {
			f.size += len(b) // it fills what is behind the place where it stalls
			return
		}
		if f.piece.Bytes == 0 {
			f.piece = f.plan.next()
		}
		size := len(b)
		if f.plan.faults.limit >= 0 {
			size = int(min(int64(size), f.plan.faults.limit-f.sent))
		}
		if f.piece.Bytes > 0 {
			size = min(size, f.piece.Bytes)
			f.piece.Bytes -= size
		}
		f.sent += int64(size)
		f.size += size
		s.dispatch(d, parcel{kind: parcelBytes, bytes: append([]byte(nil), b[:size]...), at: f.arrival(size, f.piece.Delay)})
		b = b[size:]
		s.checkLimit(d)
	}
}

// arrival is when size bytes that are sent now will have arrived.
func (f *flow) arrival(size int, delay time.Duration) time.Time {
	at := time.Now()
	if rate := f.plan.faults.bandwidth; rate > 0 && size > 0 {
		f.free = later(f.free, at).Add(transmission(size, rate))
		at = f.free
	}
	at = later(at.Add(delay), f.last)
	if window := f.plan.faults.window; window > 0 && size > 0 {
		if at.After(f.batch) {
			f.batch = at.Add(window)
		}
		at = f.batch
	}
	f.last = at
	return at
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// checkLimit does what was to happen after so many bytes, when they have passed.
func (s *stream) checkLimit(d Direction) {
	f := s.flows[d]
	if f.plan.faults.limit != f.sent || f.held || s.severed {
		return
	}
	switch f.plan.faults.then {
	case stall:
		f.held = true
	case cut:
		s.sever(parcelFIN)
	case reset:
		s.sever(parcelRST)
	}
}

// sever ends the connection for both ends, from the middle of the network.
func (s *stream) sever(how parcelKind) {
	for d := range s.flows {
		s.post(Direction(d), how)
	}
	s.severed = true
	s.changed.Broadcast()
}

// post sends an end on its way, behind all bytes.
func (s *stream) post(d Direction, kind parcelKind) {
	f := s.flows[d]
	if !s.severed && !f.held {
		s.dispatch(d, parcel{kind: kind, at: f.arrival(0, f.plan.faults.minDelay)})
	}
}

func (s *stream) dispatch(d Direction, p parcel) {
	f := s.flows[d]
	f.queue = append(f.queue, p)
	if wait := time.Until(p.at); wait > 0 {
		time.AfterFunc(wait, func() {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.deliver()
		})
		return
	}
	s.deliver()
}

// deliver hands over what has arrived.
func (s *stream) deliver() {
	if s.stalled {
		return
	}
	now := time.Now()
	for d, f := range s.flows {
		for len(f.queue) > 0 && !f.queue[0].at.After(now) {
			p := f.queue[0]
			f.queue = f.queue[1:]
			s.arrive(Direction(d), p)
		}
	}
	s.changed.Broadcast()
}

func (s *stream) arrive(d Direction, p parcel) {
	f, to := s.flows[d], s.ends[d]
	switch {
	case to.reset:
		f.size -= len(p.bytes)
	case p.kind == parcelRST:
		to.reset = true
		f.drop(&to.inbox)
	case to.closed:
		f.size -= len(p.bytes)
		if p.kind == parcelBytes && !to.abort {
			to.abort = true // one RST is answer enough
			s.post(1-d, parcelRST)
		}
	case p.kind == parcelFIN:
		to.eof = true
	default:
		to.inbox = append(to.inbox, p.bytes)
	}
}

// drop throws away what has arrived and was not read.
func (f *flow) drop(inbox *[][]byte) {
	for _, piece := range *inbox {
		f.size -= len(piece)
	}
	*inbox = nil
}
