//go:build !linux

package sockettypes

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"runtime"
	"syscall"
	"time"
)

// What other systems get of the files that are for Linux: an error that says so.

var errNotLinux = fmt.Errorf("the numbers of this stage are Linux's, and this is %s: %w", runtime.GOOS, errors.ErrUnsupported)

var familyNames, typeNames map[int]string

func protocolNames(int) map[int]string { return nil }

// Open is for Linux.
func Open(family, typ, protocol int) (*os.File, error) { return nil, errNotLinux }

// Describe is for Linux.
func Describe(c syscall.Conn) (Info, error) { return Info{}, errNotLinux }

// GetInt is for Linux.
func GetInt(c syscall.Conn, level, option int) (int, error) { return 0, errNotLinux }

// SetInt is for Linux.
func SetInt(c syscall.Conn, level, option, value int) error { return errNotLinux }

// SetBuffer is for Linux.
func SetBuffer(c syscall.Conn, d Direction, size int) (effective int, err error) {
	return 0, errNotLinux
}

// Listen is for Linux.
func Listen(ctx context.Context, address string, o ListenOptions) (*net.TCPListener, error) {
	return nil, errNotLinux
}

// Tune is for Linux.
func Tune(c *net.TCPConn, p Policy) error { return errNotLinux }

// Abort is for Linux.
func Abort(c *net.TCPConn) error { return errNotLinux }

// State is for Linux.
func State(c syscall.Conn) (TCPState, time.Duration, error) { return 0, 0, errNotLinux }

// Probe is for Linux.
func Probe() Access { return Access{errNotLinux, errNotLinux, errNotLinux, errNotLinux} }

// PeerCred is for Linux.
func PeerCred(c *net.UnixConn) (Cred, error) { return Cred{}, errNotLinux }

// OpenICMP is for Linux.
func OpenICMP() (net.PacketConn, error) { return nil, errNotLinux }

// JoinGroup is for Linux.
func JoinGroup(ctx context.Context, group netip.AddrPort, ifi *net.Interface) (*net.UDPConn, error) {
	return nil, errNotLinux
}

// LeaveGroup is for Linux.
func LeaveGroup(c *net.UDPConn, group netip.AddrPort, ifi *net.Interface) error { return errNotLinux }

// Announce is for Linux.
func Announce(ctx context.Context, group netip.AddrPort, ifi *net.Interface, name string) error {
	return errNotLinux
}

// Discover is for Linux.
func Discover(ctx context.Context, group netip.AddrPort, ifi *net.Interface) ([]Peer, error) {
	return nil, errNotLinux
}
