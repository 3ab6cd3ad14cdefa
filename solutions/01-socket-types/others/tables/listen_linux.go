package sockettypes

import (
	"context"
	"fmt"
	"net"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Listen opens a TCP listener on an address such as "127.0.0.1:8888", ":8888"
// or "[::1]:0", with options. An option that cannot be had is an error, such as
// V6Only on an IPv4 address, and then no listener is left behind.
//
// ctx is for opening it: the address may have a name that must be looked up
// first. The listener lives on when ctx is done.
//
// As always in Go, connections that ended a moment ago do not keep the port
// from a new listener (SO_REUSEADDR), and a listener that works does
// (unix.EADDRINUSE).
func Listen(ctx context.Context, address string, o ListenOptions) (*net.TCPListener, error) {
	type wish struct {
		on            bool
		level, option int
	}
	wishes := []wish{
		{o.ReusePort, unix.SOL_SOCKET, unix.SO_REUSEPORT},
		{o.V6Only, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY},
	}
	lc := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) (err error) {
		gone := raw.Control(func(fd uintptr) {
			for _, w := range wishes {
				if w.on && err == nil {
					err = os.NewSyscallError("setsockopt", unix.SetsockoptInt(int(fd), w.level, w.option, 1))
				}
			}
		})
		if gone != nil {
			return gone
		}
		return err
	}}
	opened, err := lc.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	l, ok := opened.(*net.TCPListener)
	if ok && o.Backlog != 0 {
		err = onSocket(l, func(fd int) error { return os.NewSyscallError("listen", unix.Listen(fd, o.Backlog)) })
	} else if !ok {
		err = fmt.Errorf("listen on %s: a %T", address, opened)
	}
	if err != nil {
		opened.Close()
		return nil, err
	}
	return l, nil
}
