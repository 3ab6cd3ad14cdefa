package sockettypes

import (
	"errors"
	"net"
	"syscall"
	"time"
)

// Tune makes a connection behave according to p.
func Tune(c *net.TCPConn, p Policy) error {
	return errors.New("Tune: not implemented yet (labs/01-socket-types/README.md#5-the-life-of-a-connection)")
}

// Abort closes a connection at once and without a goodbye: what was written
// and is still on its way is thrown away, and the other side gets a reset
// (RST). It is for a peer that is not worth waiting for.
func Abort(c *net.TCPConn) error {
	return errors.New("Abort: not implemented yet (labs/01-socket-types/README.md#5-the-life-of-a-connection)")
}

// State returns the state of a TCP connection, and the round-trip time as the
// kernel estimates it, 0 while it has no estimate yet; see TCP_INFO in tcp(7).
func State(c syscall.Conn) (TCPState, time.Duration, error) {
	return 0, 0, errors.New("State: not implemented yet (labs/01-socket-types/README.md#5-the-life-of-a-connection)")
}
