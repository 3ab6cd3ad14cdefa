package sockettypes

import (
	"context"
	"errors"
	"net"
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
	return nil, errors.New("Listen: not implemented yet (labs/01-socket-types/README.md#4-options-before-the-port)")
}
