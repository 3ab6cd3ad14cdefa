// Package fixture is learner's code with every fault that labtest has words
// for.
package fixture

import (
	"bufio"
	"net"
	"sync"
	"time"
)

// A Server does one wrong thing.
type Server struct {
	mu    sync.Mutex
	tasks sync.WaitGroup
}

// Serve gives each connection to handle, in a goroutine of its own.
func (s *Server) Serve(l net.Listener, handle func(net.Conn)) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		s.tasks.Add(1)
		go func() {
			defer s.tasks.Done()
			handle(c)
		}()
	}
}

// Answer answers each line with the next of lines, and keeps the connection
// open when there are none left.
func Answer(lines ...string) func(net.Conn) {
	return func(c net.Conn) {
		defer c.Close()
		for in := bufio.NewScanner(c); in.Scan(); {
			if len(lines) > 0 {
				c.Write([]byte(lines[0]))
				lines = lines[1:]
			}
		}
	}
}

// Once says one thing at once and closes.
func Once(text string) func(net.Conn) {
	return func(c net.Conn) {
		c.Write([]byte(text))
		c.(*net.TCPConn).CloseWrite()
		bufio.NewReader(c).ReadByte()
		c.Close()
	}
}

// Drop reads a line and throws the connection away.
func Drop(c net.Conn) {
	bufio.NewReader(c).ReadString('\n')
	c.(*net.TCPConn).SetLinger(0)
	c.Close()
}

// Ignore reads nothing.
func Ignore(done <-chan struct{}) func(net.Conn) {
	return func(c net.Conn) {
		defer c.Close()
		<-done
	}
}

// Shutdown locks what it has locked.
func (s *Server) Shutdown() {
	s.mu.Lock()
	s.wait()
}

func (s *Server) wait() {
	s.mu.Lock()
	s.tasks.Wait()
}

// Receive waits for what nobody sends.
func (s *Server) Receive() { <-make(chan int) }

// Spin computes for ever.
func (s *Server) Spin() {
	for i := 0; ; i++ {
		if i < 0 {
			return
		}
	}
}

// Third is the third byte.
func (s *Server) Third(b []byte) byte { return b[2] }

// Leak starts a goroutine that nobody ends.
func (s *Server) Leak() {
	for range 2 {
		go s.beat(make(chan struct{}))
	}
}

func (s *Server) beat(stop <-chan struct{}) {
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Hour):
		}
	}
}

// Forget makes a listener and forgets it.
func (s *Server) Forget() (string, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	return l.Addr().String(), nil
}

// Later calls f after a while, from a goroutine that nobody waits for.
func (s *Server) Later(when <-chan struct{}, f func()) {
	go func() {
		<-when
		f()
	}()
}
