package sockettypes

import (
	"fmt"
	"net"
	"os"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Tune makes a connection behave according to p.
func Tune(c *net.TCPConn, p Policy) error {
	// What the kernel counts, it counts in whole milliseconds; a wish for
	// less than one must not become 0, which is "no limit".
	limit := func() error {
		if p.UserTimeout == 0 {
			return nil
		}
		ms := p.UserTimeout.Truncate(time.Millisecond)
		if ms < p.UserTimeout {
			ms += time.Millisecond
		}
		return SetInt(c, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(ms.Milliseconds()))
	}
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"no delay", func() error { return c.SetNoDelay(p.NoDelay) }},
		{"keepalive", func() error { return c.SetKeepAliveConfig(p.KeepAlive) }},
		{"user timeout", limit},
	} {
		if err := step.do(); err != nil {
			return fmt.Errorf("tune %s: %w", step.name, err)
		}
	}
	return nil
}

// Abort closes a connection at once and without a goodbye: what was written
// and is still on its way is thrown away, and the other side gets a reset
// (RST). It is for a peer that is not worth waiting for.
func Abort(c *net.TCPConn) error {
	// Closed in any case: who aborts has no use for the connection.
	err := onSocket(c, func(fd int) error {
		return os.NewSyscallError("setsockopt", unix.SetsockoptLinger(fd, unix.SOL_SOCKET, unix.SO_LINGER, &unix.Linger{Onoff: 1}))
	})
	if closed := c.Close(); err == nil {
		err = closed
	}
	return err
}

// State returns the state of a TCP connection, and the round-trip time as the
// kernel estimates it, 0 while it has no estimate yet; see TCP_INFO in tcp(7).
func State(c syscall.Conn) (TCPState, time.Duration, error) {
	var info unix.TCPInfo
	err := onSocket(c, func(fd int) error {
		got, err := unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		if err == nil {
			info = *got
		}
		return os.NewSyscallError("getsockopt", err)
	})
	return TCPState(info.State), time.Duration(info.Rtt) * time.Microsecond, err
}
