package sockettypes

import (
	"errors"
	"net"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Tune makes a connection behave according to p.
func Tune(c *net.TCPConn, p Policy) error {
	if err := c.SetNoDelay(p.NoDelay); err != nil {
		return err
	}
	if err := c.SetKeepAliveConfig(p.KeepAlive); err != nil {
		return err
	}
	if p.UserTimeout <= 0 {
		return nil
	}
	// Rounded up: 0 would be the system's own limit, of many minutes.
	ms := (p.UserTimeout + time.Millisecond - 1) / time.Millisecond
	return SetInt(c, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(ms))
}

// Abort closes a connection at once and without a goodbye: what was written
// and is still on its way is thrown away, and the other side gets a reset
// (RST). It is for a peer that is not worth waiting for.
func Abort(c *net.TCPConn) error {
	// SO_LINGER with a time of zero turns the FIN of close(2) into a RST.
	return errors.Join(c.SetLinger(0), c.Close())
}

// State returns the state of a TCP connection, and the round-trip time as the
// kernel estimates it, 0 while it has no estimate yet; see TCP_INFO in tcp(7).
func State(c syscall.Conn) (TCPState, time.Duration, error) {
	var info *unix.TCPInfo
	err := onSocket(c, func(fd int) (err error) {
		info, err = unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		return err
	})
	if err != nil {
		return 0, 0, err
	}
	return TCPState(info.State), time.Duration(info.Rtt) * time.Microsecond, nil
}
