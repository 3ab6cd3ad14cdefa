package udpheartbeat_test

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"runtime"
	"strings"
	"sync"
	"time"

	heartbeat "workbook.example/labs/04-udp-heartbeat"
	"workbook.example/tools/labtest"
)

// This file has what the stages' tests share: names and keys, datagrams that are
// made without your Codec, and a monitor and a sender to talk to.

var (
	key      = []byte("the key of these tests")
	otherKey = []byte("another key")
)

// named is the name s.
func named(s string) heartbeat.Name {
	n, err := heartbeat.ParseName(s)
	if err != nil {
		panic(err)
	}
	return n
}

// raw is a datagram as README.md describes it, with the code of key, whether what
// it says is valid or not.
func raw(key []byte, t heartbeat.Type, incarnation, seq, rtt uint32, name string) []byte {
	b := []byte{'H', 'B', heartbeat.Version, byte(t)}
	b = binary.BigEndian.AppendUint32(b, incarnation)
	b = binary.BigEndian.AppendUint32(b, seq)
	b = binary.BigEndian.AppendUint32(b, rtt)
	b = append(b, byte(len(name)))
	return coded(key, append(b, name...))
}

// coded is b and its code.
func coded(key, b []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(b)
	return append(b, mac.Sum(nil)[:16]...)
}

// beat is the datagram of a beat.
func beat(name string, incarnation, seq uint32) []byte {
	return raw(key, heartbeat.Beat, incarnation, seq, 0, name)
}

// seen is a datagram that the test has received, read without your Codec.
type seen struct {
	after                 time.Duration // when it came, since the test began to look
	typ                   heartbeat.Type
	incarnation, seq, rtt uint32
	name                  string
}

// read reads a datagram. ok is false if it is none that README.md describes.
func read(b []byte) (s seen, ok bool) {
	if len(b) < 17 || len(b) != 17+int(b[16])+16 || string(b[:2]) != "HB" || b[2] != heartbeat.Version {
		return seen{}, false
	}
	return seen{
		typ:         heartbeat.Type(b[3]),
		incarnation: binary.BigEndian.Uint32(b[4:]),
		seq:         binary.BigEndian.Uint32(b[8:]),
		rtt:         binary.BigEndian.Uint32(b[12:]),
		name:        string(b[17 : len(b)-16]),
	}, string(coded(key, b[:len(b)-16:len(b)-16])) == string(b)
}

// describe is a datagram in a drawing.
func describe(b []byte) string {
	s, ok := read(b)
	if !ok {
		return fmt.Sprintf("%d bytes that are no packet", len(b))
	}
	return fmt.Sprintf("%v %d", s.typ, s.seq)
}

// network makes a network that is drawn when a law breaks.
func network(t *labtest.T, faults ...labtest.PacketFault) *labtest.PacketNet {
	n := t.PacketNet("network", faults...)
	n.Draw(describe)
	return n
}

// ms is so many milliseconds.
func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// A recorder keeps what comes to an end of a network.
type recorder struct {
	mu    sync.Mutex
	began time.Time
	all   []seen
	junk  int
}

// record reads everything that comes to conn until it is closed. If answer is not
// nil, it is called for each packet.
func record(conn *labtest.PacketEnd, answer func(seen, netip.AddrPort)) *recorder {
	r := &recorder{began: time.Now()}
	go func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := conn.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			s, ok := read(buf[:n])
			s.after = time.Since(r.began)
			r.mu.Lock()
			if ok {
				r.all = append(r.all, s)
			} else {
				r.junk++
			}
			r.mu.Unlock()
			if ok && answer != nil {
				answer(s, from)
			}
		}
	}()
	return r
}

// seen is what has come so far, of one type.
func (r *recorder) seen(t heartbeat.Type) (some []seen) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, s := range r.all {
		if s.typ == t {
			some = append(some, s)
		}
	}
	return some
}

// A sink is a conn of which only Write matters: it is called with each datagram.
// Read waits until the sink is closed.
type sink struct {
	write  func([]byte) error
	close  sync.Once
	closed chan struct{}

	mu      sync.Mutex
	changed chan struct{} // closed when the deadline changes
	before  time.Time
}

func newSink(write func([]byte) error) *sink {
	return &sink{write: write, closed: make(chan struct{}), changed: make(chan struct{})}
}

func (s *sink) Write(b []byte) (int, error) {
	select {
	case <-s.closed:
		return 0, net.ErrClosed
	default:
	}
	if err := s.write(b); err != nil {
		return 0, err
	}
	return len(b), nil
}

func (s *sink) Read([]byte) (int, error) {
	for {
		s.mu.Lock()
		changed, before := s.changed, s.before
		s.mu.Unlock()
		if !before.IsZero() && !time.Now().Before(before) {
			return 0, errTimeout
		}
		select {
		case <-s.closed:
			return 0, net.ErrClosed
		case <-changed:
		}
	}
}

func (s *sink) Close() error { s.close.Do(func() { close(s.closed) }); return nil }

func (s *sink) SetDeadline(t time.Time) error { return s.SetReadDeadline(t) }
func (s *sink) SetReadDeadline(t time.Time) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.before = t
	close(s.changed)
	s.changed = make(chan struct{})
	return nil
}
func (s *sink) SetWriteDeadline(time.Time) error { return nil }
func (s *sink) LocalAddr() net.Addr              { return &net.UDPAddr{IP: net.IPv4(10, 0, 0, 1), Port: 1} }
func (s *sink) RemoteAddr() net.Addr             { return &net.UDPAddr{IP: net.IPv4(10, 0, 0, 2), Port: 2} }

var errTimeout error = timeoutError{}

type timeoutError struct{}

func (timeoutError) Error() string   { return "i/o timeout" }
func (timeoutError) Timeout() bool   { return true }
func (timeoutError) Temporary() bool { return true }

// quiet is a log that nobody reads.
var quiet = slog.New(slog.DiscardHandler)

// newSender is a Sender with the interval of 100 ms.
func newSender(name string) *heartbeat.Sender {
	return &heartbeat.Sender{Name: named(name), Key: key, Incarnation: 7, Interval: ms(100), Logger: quiet}
}

// udp makes a socket on loopback, which is closed when the test ends.
func udp(t *labtest.T) *net.UDPConn {
	t.Helper()
	conn, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// addrOf is where a socket is.
func addrOf(conn *net.UDPConn) netip.AddrPort { return conn.LocalAddr().(*net.UDPAddr).AddrPort() }

// dialUDP makes a socket that is connected to an address on loopback.
func dialUDP(t *labtest.T, to netip.AddrPort) *net.UDPConn {
	t.Helper()
	conn, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// heapInUse is how much memory is in use.
func heapInUse() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

// list is a few values in a sentence: "1, 2, 3, …".
func list[T any](values []T) string {
	const most = 12
	var parts []string
	for _, v := range values[:min(most, len(values))] {
		parts = append(parts, fmt.Sprint(v))
	}
	if len(values) > most {
		parts = append(parts, fmt.Sprintf("… (%d in all)", len(values)))
	}
	if len(parts) == 0 {
		return "nothing"
	}
	return strings.Join(parts, ", ")
}

// What each stage must be able to do before others can be judged.
func init() {
	labtest.Probe(1, func() error {
		want := heartbeat.Packet{Type: heartbeat.Beat, Name: named("alice"), Seq: 1}
		datagram, err := heartbeat.NewCodec(key).Append(nil, want)
		if err != nil {
			return fmt.Errorf("Append(%v): %w", want, err)
		}
		if got, err := heartbeat.NewCodec(key).Decode(datagram); err != nil || got != want {
			return fmt.Errorf("Decode, of what Append made of %v, gives %v, %v", want, got, err)
		}
		return nil
	})
	labtest.Probe(2, func() error {
		wrote := make(chan struct{}, 100)
		conn := newSink(func([]byte) error { wrote <- struct{}{}; return nil })
		ctx, cancel := context.WithCancel(context.Background())
		ran := make(chan error, 1)
		go func() { ran <- newSender("alice").Run(ctx, conn) }()
		var err error
		select {
		case <-wrote:
		case err = <-ran:
			err = fmt.Errorf("Run returned and had not sent a beat: %v", err)
		}
		cancel()
		conn.Close()
		return err
	})
	labtest.Probe(3, func() error {
		if v := new(heartbeat.Window).Accept(5); v != heartbeat.Fresh {
			return fmt.Errorf("Accept says of the first number %v", v)
		}
		conn := &feed{items: []item{{b: beat("alice", 1, 1)}}, last: net.ErrClosed}
		handled := 0
		err := heartbeat.Receive(context.Background(), conn, heartbeat.NewCodec(key), func(heartbeat.Arrival) { handled++ })
		if handled != 1 {
			return fmt.Errorf("Receive returned %v and had handled %d datagrams of 1", err, handled)
		}
		return nil
	})
	labtest.Probe(4, func() error {
		var p heartbeat.Pending
		now := time.Now()
		p.Sent(1, now)
		if _, ok := p.Answered(1, now.Add(ms(1))); !ok {
			return errors.New("an answer to what was sent gives no round-trip time")
		}
		return nil
	})
	labtest.Probe(6, func() error {
		now := time.Now()
		d := heartbeat.NewPhi(heartbeat.PhiConfig{Interval: ms(100), DeadAfter: time.Hour}, now)
		if phi := d.Phi(now.Add(10 * time.Second)); phi < 1 {
			return fmt.Errorf("beats are expected every 100 ms, and after 10 s of silence phi is %v", phi)
		}
		return nil
	})
	labtest.Probe(7, func() error {
		m := heartbeat.NewMember(named("m1"), heartbeat.SwimConfig{}, named("m1"), named("m2"))
		if out := m.Receive(time.Now(), named("m2"), heartbeat.Message{Kind: heartbeat.Ping, Seq: 1}); len(out) == 0 {
			return errors.New("a ping is not answered")
		}
		return nil
	})
	labtest.Probe(5, func() error {
		now := time.Now()
		d := heartbeat.NewTimeout(heartbeat.TimeoutConfig{SuspectAfter: ms(100), DeadAfter: ms(200), Stall: time.Hour}, now)
		d.Heartbeat(now)
		for _, want := range []heartbeat.State{heartbeat.Suspect, heartbeat.Dead} {
			now = now.Add(ms(100))
			if got := d.Check(now); got != want {
				return fmt.Errorf("somebody silent for as long as it takes is %v, not %v", got, want)
			}
		}
		return nil
	})
}

// A feed is a conn that has certain things to read, and then waits for the end
// of the time that it is given, or is closed.
type feed struct {
	items []item
	again int   // how often the first one comes again
	last  error // what reads fail with after them, a thousand times

	failed int

	mu      sync.Mutex
	late    chan struct{} // closed when the read deadline has passed
	written [][]byte
}

type item struct {
	b    []byte
	from netip.AddrPort
	err  error
}

var stranger = netip.MustParseAddrPort("10.0.0.9:9")

func (f *feed) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	f.mu.Lock()
	if f.late == nil {
		f.late = make(chan struct{})
	}
	late := f.late
	f.mu.Unlock()
	select {
	case <-late:
		return 0, netip.AddrPort{}, errTimeout
	default:
	}
	if len(f.items) == 0 {
		if f.failed++; f.last != nil && f.failed <= 1000 {
			return 0, netip.AddrPort{}, f.last
		}
		<-late
		return 0, netip.AddrPort{}, errTimeout
	}
	next := &f.items[0]
	if f.again > 0 {
		f.again--
	} else {
		f.items = f.items[1:]
	}
	if next.err != nil {
		return 0, netip.AddrPort{}, next.err
	}
	from := next.from
	if !from.IsValid() {
		from = stranger
	}
	return copy(b, next.b), from, nil
}

func (f *feed) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.again == 0 { // where many are fed, nobody reads what is written
		f.written = append(f.written, append([]byte(nil), b...))
	}
	return len(b), nil
}

func (f *feed) SetReadDeadline(t time.Time) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.late == nil {
		f.late = make(chan struct{})
	}
	if !t.IsZero() && !t.After(time.Now()) {
		select {
		case <-f.late:
		default:
			close(f.late)
		}
	}
	return nil
}

var errBroken = errors.New("the cable is out")
