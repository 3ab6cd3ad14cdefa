package fanload

import (
	"bufio"
	"net"
	"sync"
)

// Relay is the load program's own ceiling: a server that copies whatever the
// sender says to everybody, without looking at it, limiting it or surviving
// anything. What it delivers is what sockets and the load program allow.
// It speaks [Lines] and returns when l is closed.
func Relay(l net.Listener) error {
	var (
		mu      sync.Mutex
		clients []net.Conn
	)
	for {
		conn, err := l.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer conn.Close()
			r := bufio.NewReaderSize(conn, readBuffer)
			name, err := r.ReadSlice('\n')
			if err != nil {
				return
			}
			speaker := string(name) == "speaker\n"
			if !speaker {
				// Before it is told that it has joined: then it will get everything.
				mu.Lock()
				clients = append(clients, conn)
				mu.Unlock()
			}
			if _, err := conn.Write(name); err != nil {
				return
			}
			if !speaker {
				r.ReadByte() // nothing comes; it ends when the client goes
				return
			}
			mu.Lock()
			everybody := clients
			clients = nil
			mu.Unlock()
			buf := make([]byte, readBuffer)
			for {
				n, err := r.Read(buf)
				if err != nil {
					return
				}
				for _, c := range everybody {
					c.Write(buf[:n])
				}
			}
		}()
	}
}
