//go:build unix

package labtest

import (
	"errors"
	"net"
	"runtime"
	"time"

	"golang.org/x/sys/unix"
)

// fill makes the backlog as short as it gets, and fills it: the handshake of
// any further connect is dropped; listen(2), tcp(7). Linux holds one connection
// then. Other systems hold a few: there it is full when a connect waits.
func (l *FullListener) fill(network string) error {
	raw, err := l.listener.SyscallConn()
	if err != nil {
		return err
	}
	var set error
	// A second listen changes the backlog of a socket that listens.
	if err := errors.Join(raw.Control(func(fd uintptr) { set = unix.Listen(int(fd), 0) }), set); err != nil {
		return err
	}
	for range most {
		conn, err := net.DialTimeout(network, l.Addr(), unanswered)
		if e := net.Error(nil); errors.As(err, &e) && e.Timeout() && len(l.conns) > 0 {
			return nil
		}
		if err != nil {
			return err
		}
		l.conns = append(l.conns, conn)
		if runtime.GOOS == "linux" {
			return nil
		}
	}
	return errors.New("connects are still answered")
}

const (
	// most is how many connections a backlog that was asked to be 0 may hold.
	most = 16
	// unanswered is how long a connect on loopback cannot take.
	unanswered = time.Second
)
