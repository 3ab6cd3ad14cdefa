package tcpserver_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tcpserver "workbook.example/labs/02-tcp-server"
	"workbook.example/tools/labtest"
)

func TestFanOutOutrunsTheObviousWay(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	srv := start(t, func(s *tcpserver.Server) { s.Logger = quiet })
	obvious := startObvious(t)
	const receivers, least = 50, 5.0
	yours, theirs := newCrowd(t, srv.Addr(), receivers), newCrowd(t, obvious, receivers)
	yours.deliver(t, 64) // both warm up
	theirs.deliver(t, 64)
	// Measured in turns, and in processor time, so that whatever else the
	// machine does slows neither; the best of a few turns.
	best := 0.0
	for range 5 {
		your := cost(func() { yours.deliver(t, 8*64) })
		their := cost(func() { theirs.deliver(t, 2*64) })
		best = max(best, their.Seconds()*4/your.Seconds())
		if best >= least {
			return
		}
	}
	t.Broken("With %d receivers a server that encodes and writes each message once for every receiver needs %.1f times the processor time that yours needs; expected at least %.1f times.",
		receivers, best, least)
}

// cost is what f takes: processor time, or time where that cannot be told.
func cost(f func()) time.Duration {
	begin := time.Now()
	before, _ := labtest.CPUTime()
	f()
	if after, ok := labtest.CPUTime(); ok {
		return after - before
	}
	return time.Since(begin)
}

func TestDeliveryAllocatesNothing(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2, 3, 4, 5)
	const messages, few, many = 10 * 64, 5, 55
	// What a message needs once, however many receive it, is the same in both
	// and falls out of the difference.
	each := (allocations(t, messages, many) - allocations(t, messages, few)) / (messages * (many - few))
	if each > 0.25 {
		t.Broken("Each receiver more costs %.2f allocations a message; expected almost none: a message is encoded once, for all.", each)
	}
}

// allocations counts what it takes to deliver messages to receivers.
func allocations(t *labtest.T, messages, receivers int) float64 {
	t.Helper()
	srv := start(t, func(s *tcpserver.Server) { s.Logger = quiet })
	crowd := newCrowd(t, srv.Addr(), receivers)
	crowd.deliver(t, 64)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	crowd.deliver(t, messages)
	runtime.ReadMemStats(&after)
	return float64(after.Mallocs - before.Mallocs)
}

// BenchmarkFanOut delivers messages of 100 bytes to 100 receivers; an
// iteration is one delivery.
func BenchmarkFanOut(b *testing.B) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		b.Fatal(err)
	}
	defer l.Close()
	srv, err := serve(l, func(s *tcpserver.Server) { s.Logger = quiet })
	if err != nil {
		b.Skip(err)
	}
	const receivers = 100
	crowd := newCrowd(b, srv.Addr(), receivers)
	b.ReportAllocs()
	b.ResetTimer()
	crowd.deliver(b, (b.N+receivers-1)/receivers)
}

// BenchmarkDecoder reads frames of 100 bytes.
func BenchmarkDecoder(b *testing.B) {
	line := append(bytes.Repeat([]byte("x"), 99), '\n')
	stream := bytes.NewReader(bytes.Repeat(line, 1000))
	frames := tcpserver.NewDecoder(stream)
	b.SetBytes(int64(len(line)))
	b.ReportAllocs()
	for i := range b.N {
		if i%1000 == 0 {
			stream.Seek(0, 0)
		}
		if _, err := frames.Next(); err != nil && i%1000 != 0 {
			b.Skip(err)
		}
	}
}

// BenchmarkParseRequest reads a chat request.
func BenchmarkParseRequest(b *testing.B) {
	line := []byte(`{"type":"chat","content":"hello, everybody","id":12}`)
	b.ReportAllocs()
	for range b.N {
		if _, err := tcpserver.ParseRequest(line); err != nil {
			b.Skip(err)
		}
	}
}

// A crowd is one who speaks and many who listen.
type crowd struct {
	speaker  net.Conn
	received []atomic.Int64 // chat messages, by receiver
	sent     int64
	arrived  chan struct{} // has a value when a receiver has got something
}

// newCrowd logs a speaker and receivers in at addr.
func newCrowd(t testing.TB, addr string, receivers int) *crowd {
	t.Helper()
	c := &crowd{received: make([]atomic.Int64, receivers), arrived: make(chan struct{}, 1)}
	var reading sync.WaitGroup
	t.Cleanup(reading.Wait)
	for i := range receivers + 1 {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatalf("dial: %v", err)
		}
		t.Cleanup(func() { conn.Close() })
		p := &probeConn{Conn: deadlined(conn)}
		if err := p.ask(loginAs(fmt.Sprintf("user%d", i)), "login_response"); err != nil {
			t.Fatalf("log in: %v", err)
		}
		conn.SetDeadline(time.Time{})
		if i == receivers {
			c.speaker = conn
			reading.Go(func() { c.count(conn, nil, new(atomic.Int64)) })
		} else {
			reading.Go(func() { c.count(conn, p.rest, &c.received[i]) })
		}
	}
	return c
}

// count counts the chat messages that come to conn. It decodes nothing, so
// that the receivers cost as little as can be.
func (c *crowd) count(conn net.Conn, rest []byte, n *atomic.Int64) {
	buf := make([]byte, 64<<10)
	kept := copy(buf, rest)
	for {
		lines := bytes.LastIndexByte(buf[:kept], '\n') + 1
		if got := bytes.Count(buf[:lines], []byte(`"chat_message"`)); got > 0 {
			n.Add(int64(got))
			select {
			case c.arrived <- struct{}{}:
			default:
			}
		}
		kept = copy(buf, buf[lines:kept])
		more, err := conn.Read(buf[kept:])
		if err != nil {
			return
		}
		kept += more
	}
}

// deliver says messages, never more than 64 ahead of the slowest receiver, and
// returns the time until all had all of them.
func (c *crowd) deliver(t testing.TB, messages int) time.Duration {
	t.Helper()
	line, err := json.Marshal(msg{"type": "chat", "content": string(bytes.Repeat([]byte("x"), 100))})
	if err != nil {
		t.Fatal(err)
	}
	line = append(line, '\n')
	begin := time.Now()
	for messages > 0 {
		batch := min(64, messages)
		messages -= batch
		c.sent += int64(batch)
		c.speaker.SetWriteDeadline(time.Now().Add(labtest.Patience))
		if _, err := c.speaker.Write(bytes.Repeat(line, batch)); err != nil {
			t.Fatalf("%d messages could not be sent: %v", batch, err)
		}
		timeout := time.After(labtest.Patience)
		for i := range c.received {
			for c.received[i].Load() < c.sent {
				select {
				case <-c.arrived:
				case <-timeout:
					t.Fatalf("%d messages were said, and %v later receiver %d has got %d of them", c.sent, labtest.Patience, i, c.received[i].Load())
				}
			}
		}
	}
	return time.Since(begin)
}

// startObvious starts a server that does what comes to mind first: for each
// message and each receiver it encodes the message, and writes it, while it
// holds the lock on the list of receivers.
func startObvious(t *labtest.T) (addr string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	t.Cleanup(func() { l.Close() })
	var mu sync.Mutex
	all := make(map[net.Conn]bool)
	seq := 0
	serve := func(conn net.Conn) {
		defer conn.Close()
		for dec := json.NewDecoder(conn); ; {
			var request struct{ Type, Content string }
			if dec.Decode(&request) != nil {
				return
			}
			mu.Lock()
			if request.Type == "login" {
				all[conn] = true
				fmt.Fprintln(conn, `{"type":"login_response","success":true}`)
			} else {
				seq++
				for c := range all {
					if c == conn {
						continue
					}
					line, _ := json.Marshal(msg{"type": "chat_message", "username": "user", "content": request.Content, "seq": seq, "timestamp": float64(time.Now().UnixMicro()) / 1e6})
					c.Write(append(line, '\n'))
				}
			}
			mu.Unlock()
		}
	}
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go serve(conn)
		}
	}()
	return l.Addr().String()
}
