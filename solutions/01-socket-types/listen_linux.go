package sockettypes

import (
	"context"
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
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return onRaw(raw, o.beforeBind)
	}}
	l, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return nil, err
	}
	listener := l.(*net.TCPListener)
	if o.Backlog > 0 {
		// Go has called listen(2) with the system's limit. A second call
		// changes nothing but the backlog.
		if err := onSocket(listener, func(fd int) error { return unix.Listen(fd, o.Backlog) }); err != nil {
			listener.Close()
			return nil, os.NewSyscallError("listen", err)
		}
	}
	return listener, nil
}

// beforeBind sets what must be set while the socket has no address yet.
func (o ListenOptions) beforeBind(fd int) error {
	if o.ReusePort {
		if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEPORT, 1); err != nil {
			return os.NewSyscallError("setsockopt SO_REUSEPORT", err)
		}
	}
	if o.V6Only {
		if err := unix.SetsockoptInt(fd, unix.IPPROTO_IPV6, unix.IPV6_V6ONLY, 1); err != nil {
			return os.NewSyscallError("setsockopt IPV6_V6ONLY", err)
		}
	}
	return nil
}
