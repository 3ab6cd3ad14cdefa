package labtest

import (
	"context"
	"errors"
	"net"

	"golang.org/x/sys/unix"
)

// listenFull makes a backlog of 0, which on Linux holds one connection, and
// puts one in. The handshake of any other is dropped: listen(2), tcp(7).
func listenFull(network string) (*FullListener, error) {
	host := map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"}[network]
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	l, err := lc.Listen(context.Background(), network, host)
	if err != nil {
		return nil, err
	}
	full := &FullListener{listener: l.(*net.TCPListener)}
	raw, err := full.listener.SyscallConn()
	if err == nil {
		var set error
		// A second listen changes the backlog of a socket that listens.
		err = errors.Join(raw.Control(func(fd uintptr) { set = unix.Listen(int(fd), 0) }), set)
	}
	var conn net.Conn
	if err == nil {
		conn, err = net.DialTimeout(network, full.Addr(), Patience)
	}
	if err != nil {
		l.Close()
		return nil, err
	}
	full.conns = append(full.conns, conn)
	return full, nil
}
