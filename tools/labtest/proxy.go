package labtest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"
	"time"

	"workbook.example/tools/wire"
)

// Proxy passes connections on to a server and does to them what networks do.
// Whatever it does at random comes from the test's seed, which is told with the
// failure, together with the command that replays it.
type Proxy struct {
	t        *T
	name     string
	target   string
	faults   [2]faults
	listener net.Listener
	work     sync.WaitGroup

	mu    sync.Mutex
	open  chan struct{} // closed while bytes may pass
	conns map[*link]bool
	count int
	over  bool
}

// Proxy listens on an ephemeral port of 127.0.0.1 until the test ends, and
// passes each connection on to target with the given faults. One that the
// target does not take is reset.
func (t *T) Proxy(name, target string, faults ...Fault) *Proxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("%v", err)
	}
	p := &Proxy{t: t, name: name, target: target, listener: l, open: make(chan struct{}), conns: map[*link]bool{}}
	close(p.open)
	p.faults = allFaults(faults)
	p.work.Go(p.accept)
	t.Cleanup(p.stop)
	return p
}

// Addr is where the proxy listens, host:port.
func (p *Proxy) Addr() string { return p.listener.Addr().String() }

// Plan is the beginning of what the proxy does to one direction of a
// connection, the first of which has the number 1.
func (p *Proxy) Plan(conn int, d Direction, pieces int) []Piece {
	plan := p.plan(conn, d)
	out := make([]Piece, pieces)
	for i := range out {
		out[i] = plan.next()
	}
	return out
}

func (p *Proxy) plan(conn int, d Direction) plan {
	out := plan{faults: p.faults[d]}
	if out.faults.random() {
		out.rand = p.t.random(fmt.Sprintf("%s %d %d", p.name, conn, d))
	}
	return out
}

// Stall stops passing anything on, on all connections, until Resume.
func (p *Proxy) Stall() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
		p.open = make(chan struct{})
	default: // it is stalled already
	}
	p.note(fmt.Sprintf(labelStalls, p.name))
}

// Resume ends a Stall. Nothing was lost.
func (p *Proxy) Resume() {
	p.mu.Lock()
	defer p.mu.Unlock()
	select {
	case <-p.open:
	default:
		close(p.open)
	}
	p.note(fmt.Sprintf(labelResumes, p.name))
}

// Cut ends all present connections in good order (FIN), on both sides.
func (p *Proxy) Cut() {
	p.note(fmt.Sprintf(labelCuts, p.name))
	for _, l := range p.links() {
		l.cut()
	}
}

// Reset resets all present connections (RST), on both sides.
func (p *Proxy) Reset() {
	p.note(fmt.Sprintf(labelResets, p.name))
	for _, l := range p.links() {
		l.reset()
	}
}

func (p *Proxy) note(text string) {
	p.t.talk.Add(wire.Event{From: p.name, Kind: wire.Note, Text: text})
}

func (p *Proxy) links() []*link {
	p.mu.Lock()
	defer p.mu.Unlock()
	var all []*link
	for l := range p.conns {
		all = append(all, l)
	}
	return all
}

// stop ends the proxy and waits for its goroutines.
func (p *Proxy) stop() {
	p.listener.Close()
	p.mu.Lock()
	p.over = true
	p.mu.Unlock()
	for _, l := range p.links() {
		l.close()
	}
	p.work.Wait()
}

func (p *Proxy) accept() {
	for {
		client, err := p.listener.Accept()
		if err != nil {
			return
		}
		p.work.Go(func() { p.serve(client.(*net.TCPConn)) })
	}
}

// serve passes one connection on until it is over.
func (p *Proxy) serve(client *net.TCPConn) {
	server, err := net.DialTimeout("tcp", p.target, Patience)
	if err != nil {
		client.SetLinger(0)
		client.Close()
		return
	}
	l := &link{proxy: p, ends: [2]*net.TCPConn{ToServer: server.(*net.TCPConn), ToClient: client}, severed: make(chan struct{})}
	p.mu.Lock()
	p.count++
	number := p.count
	p.conns[l] = true
	over := p.over
	p.mu.Unlock()
	if over {
		l.close()
	}

	var both sync.WaitGroup
	for d := range p.faults {
		both.Go(func() { l.pump(Direction(d), p.plan(number, Direction(d))) })
	}
	both.Wait()
	l.close()
	p.mu.Lock()
	delete(p.conns, l)
	p.mu.Unlock()
}

// gate waits while the proxy is stalled, unless nothing may pass any more.
func (p *Proxy) gate(severed <-chan struct{}) {
	p.mu.Lock()
	open := p.open
	p.mu.Unlock()
	select {
	case <-severed:
	case <-open:
	}
}

// A link is one connection through the proxy: two connections, one to each end.
type link struct {
	proxy *Proxy
	ends  [2]*net.TCPConn // by the direction in which they are written

	severing sync.Once
	severed  chan struct{} // closed when nothing may pass any more
	ending   sync.Once
}

// pump passes on what goes in one direction, until it may not any more. Then it
// swallows what still comes: to close on unread bytes would be a reset.
func (l *link) pump(d Direction, plan plan) {
	from, to := l.ends[1-d], l.ends[d]
	end := l.copy(from, to, plan)
	switch {
	case l.isSevered():
	case isReset(end):
		l.reset()
	case errors.Is(end, errLimit):
		l.shatter(plan.faults, d)
	default:
		to.CloseWrite()
		return
	}
	io.Copy(io.Discard, from)
}

// errLimit ends a direction in which as many bytes have passed as may.
var errLimit = errors.New("the limit of a fault")

// copy passes bytes on by the plan, and says why it stopped.
func (l *link) copy(from, to *net.TCPConn, plan plan) error {
	f := plan.faults
	buf := make([]byte, 32<<10)
	piece := Piece{} // what is left of the present one
	for sent := int64(0); sent != f.limit; {
		n, err := l.read(from, buf, f.window)
		b := buf[:n]
		if f.limit >= 0 {
			b = b[:min(int64(n), f.limit-sent)]
		}
		for len(b) > 0 {
			if piece.Bytes == 0 {
				piece = plan.next()
				l.pause(piece.Delay)
			}
			size := len(b)
			if f.maxPiece > 0 {
				size = min(size, piece.Bytes)
				piece.Bytes -= size
			}
			l.proxy.gate(l.severed)
			if l.isSevered() {
				return nil
			}
			if _, err := to.Write(b[:size]); err != nil {
				return err
			}
			sent += int64(size)
			b = b[size:]
			if f.maxPiece > 0 {
				l.pause(gap(sent))
			}
			if f.bandwidth > 0 {
				l.pause(transmission(size, f.bandwidth))
			}
		}
		if err != nil && sent != f.limit {
			l.proxy.gate(l.severed)
			return err
		}
	}
	return errLimit
}

// gap is a short rest after a piece. Without it the kernel hands the receiver
// several pieces at once. After the first kilobytes it would only cost time.
func gap(sent int64) time.Duration {
	if sent > 4<<10 {
		return 0
	}
	return 50 * time.Microsecond
}

// read reads what has come, and what comes within window after it.
func (l *link) read(from *net.TCPConn, buf []byte, window time.Duration) (int, error) {
	n, err := from.Read(buf)
	if window == 0 || err != nil {
		return n, err
	}
	from.SetReadDeadline(time.Now().Add(window))
	defer from.SetReadDeadline(time.Time{})
	for n < len(buf) && err == nil {
		var more int
		more, err = from.Read(buf[n:])
		n += more
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		err = nil
	}
	return n, err
}

// pause waits, unless nothing may pass any more.
func (l *link) pause(d time.Duration) {
	if d == 0 {
		return
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-l.severed:
	case <-timer.C:
	}
}

func (l *link) isSevered() bool {
	select {
	case <-l.severed:
		return true
	default:
		return false
	}
}

// shatter does what was to happen after so many bytes.
func (l *link) shatter(f faults, d Direction) {
	l.proxy.note(fmt.Sprintf(labelAfter[f.then], l.proxy.name, f.limit, labelDirection[d]))
	switch f.then {
	case stall:
		<-l.severed
	case cut:
		l.cut()
	case reset:
		l.reset()
	}
}

// cut says on both sides that nothing more comes (FIN).
func (l *link) cut() {
	l.severing.Do(func() {
		close(l.severed)
		for _, end := range l.ends {
			end.CloseWrite()
		}
	})
}

// reset throws both connections away.
func (l *link) reset() {
	for _, end := range l.ends {
		end.SetLinger(0)
	}
	l.close()
}

func (l *link) close() {
	l.severing.Do(func() { close(l.severed) })
	l.ending.Do(func() {
		for _, end := range l.ends {
			end.Close()
		}
	})
}
