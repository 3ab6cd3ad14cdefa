// Command judged gets into the trouble that its argument names and prints what
// the Go runtime has to say about it.
package main

import (
	"io"
	"net"
	"os"
	"runtime"
	"time"

	"judged.example/server"
)

func main() {
	if os.Args[1] == "asleep" {
		new(server.Server).Receive()
	}
	s := server.New()
	switch os.Args[1] {
	case "accept":
		run(s.Serve)
		wait()
	case "connections":
		run(s.Serve)
		for range 3 {
			if _, err := net.Dial("tcp", s.Addr()); err != nil {
				panic(err)
			}
		}
		wait()
	case "write":
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			panic(err)
		}
		run(func() { s.Flood(c) })
		wait()
	case "pipe":
		a, _ := net.Pipe()
		run(func() { io.ReadAll(s.Reader(a)) })
		run(func() { s.Flood(a) })
		wait()
	case "datagram":
		run(s.Datagrams)
		wait()
	case "mutex":
		run(s.LockTwice)
		run(s.ReadLockTwice)
		wait()
	case "held":
		c, err := net.Dial("tcp", s.Addr())
		if err != nil {
			panic(err)
		}
		run(func() { s.FloodLocked(c) })
		time.Sleep(50 * time.Millisecond) // until it holds the lock
		run(func() { s.FloodLocked(c) })
		run(func() { s.FloodLocked(c) })
		run(s.Sleep)
		wait()
	case "once":
		run(s.OnceInOnce)
		wait()
	case "channels":
		run(s.Send)
		run(s.Receive)
		run(s.Select)
		run(s.NilChannel)
		run(s.NoCases)
		wait()
	case "waits":
		run(s.WaitForGroup)
		run(s.WaitForCond)
		s.WaitElsewhere()
		wait()
	case "sleep":
		run(s.Sleep)
		wait()
	case "compute":
		run(s.Compute)
		wait()
	case "nothing":
		wait()
	case "panic":
		go s.Index(nil)
		select {}
	case "recovered":
		defer func() {
			panic(recover())
		}()
		s.Index(nil)
	case "nil":
		(*server.Server)(nil).Addr()
	case "maps":
		s.Maps()
	case "race":
		s.Race()
	}
}

func run(f func()) { go f() }

// wait dumps the goroutines once they have come to where they stay.
func wait() {
	time.Sleep(100 * time.Millisecond)
	buf := make([]byte, 1<<20)
	os.Stdout.Write(buf[:runtime.Stack(buf, true)])
	if len(os.Args) > 2 {
		os.Stdout.WriteString("\nready\n")
		select {}
	}
}
