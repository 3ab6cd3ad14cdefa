// Package server is the judged code.
package server

import (
	"bufio"
	"io"
	"net"
	"sync"
	"time"
)

type Server struct {
	listener net.Listener
	mu       sync.Mutex
	rw       sync.RWMutex
	once     sync.Once
	group    sync.WaitGroup
	cond     *sync.Cond
	names    map[string]int
}

func New() *Server {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	s := &Server{listener: l, cond: sync.NewCond(new(sync.Mutex)), names: map[string]int{}}
	s.group.Add(1)
	return s
}

func (s *Server) Addr() string { return s.listener.Addr().String() }

func (s *Server) Close() { s.listener.Close() }

func (s *Server) Serve() {
	for {
		c, err := s.listener.Accept()
		if err != nil {
			return
		}
		go func() { s.handle(c) }()
	}
}

func (s *Server) handle(c net.Conn) {
	(&decoder{bufio.NewReader(c)}).Next()
}

type decoder struct{ r *bufio.Reader }

func (d *decoder) Next() ([]byte, error) { return d.r.ReadBytes('\n') }

func (s *Server) Flood(c net.Conn) {
	b := make([]byte, 1<<20)
	for {
		if _, err := c.Write(b); err != nil {
			return
		}
	}
}

// FloodLocked writes under a lock.
func (s *Server) FloodLocked(c net.Conn) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Flood(c)
}

func (s *Server) Reader(r io.Reader) io.Reader { return &decoder{bufio.NewReader(r)} }

func (d *decoder) Read(b []byte) (int, error) { return d.r.Read(b) }

func (s *Server) Datagrams() {
	c, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	c.ReadFrom(make([]byte, 100))
}

func (s *Server) LockTwice() { s.mu.Lock(); s.mu.Lock() }

func (s *Server) ReadLockTwice() { s.rw.Lock(); s.rw.RLock() }

func (s *Server) OnceInOnce() { s.once.Do(func() { s.once.Do(func() {}) }) }

func (s *Server) Send() { make(chan int) <- 1 }

func (s *Server) Receive() { <-make(chan int) }

func (s *Server) NilChannel() { var c chan int; <-c }

func (s *Server) NoCases() { select {} }

func (s *Server) Select() {
	select {
	case <-make(chan int):
	case <-time.After(time.Hour):
	}
}

func (s *Server) WaitForGroup() { s.group.Wait() }

func (s *Server) WaitElsewhere() { go s.group.Wait() }

func (s *Server) WaitForCond() { s.cond.L.Lock(); s.cond.Wait() }

func (s *Server) Sleep() { time.Sleep(time.Hour) }

func (s *Server) Compute() {
	for i := 0; ; i++ {
		if i < 0 {
			return
		}
	}
}

func (s *Server) Index(b []byte) byte { return b[2] }

// Maps has two goroutines write a map at once, until the runtime notices.
func (s *Server) Maps() {
	for range 2 {
		go func() {
			for {
				s.set("a")
			}
		}()
	}
	select {}
}

func (s *Server) set(name string) { s.names[name]++ }

// Race reads and writes with nothing that puts the two in order.
func (s *Server) Race() {
	done := make(chan bool)
	go func() {
		s.set("b")
		done <- true
	}()
	go func() {
		s.count()
		done <- true
	}()
	<-done
	<-done
}

func (s *Server) count() int { return len(s.names) }
