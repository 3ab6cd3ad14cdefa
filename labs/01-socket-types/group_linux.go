package sockettypes

import (
	"context"
	"errors"
	"net"
	"net/netip"
)

// JoinGroup returns a socket that hears what is sent to an IPv4 multicast group,
// an address of 224.0.0.0/4 and a port, on one interface. Several sockets of a
// machine may do so at once, and all of them hear everything. Any other address
// is an error.
//
// It hears what is sent to its own group and to no other, which is not a matter
// of course: unless IP_MULTICAST_ALL is off, Linux gives a socket whatever any
// program on the machine has joined, see ip(7).
func JoinGroup(ctx context.Context, group netip.AddrPort, ifi *net.Interface) (*net.UDPConn, error) {
	return nil, errors.New("JoinGroup: not implemented yet (labs/01-socket-types/README.md#9-one-to-many)")
}

// LeaveGroup undoes JoinGroup for a socket that stays open: it hears nothing of
// the group any more. For one that is not in the group, that is an error.
func LeaveGroup(c *net.UDPConn, group netip.AddrPort, ifi *net.Interface) error {
	return errors.New("LeaveGroup: not implemented yet (labs/01-socket-types/README.md#9-one-to-many)")
}

// Announce answers whoever asks a group who is there (the constant question),
// with answer(name), until ctx is done; then it returns nil. The answer goes to
// the asker alone. What is not the question, the whole of it and no more, gets no
// answer. When the group cannot be joined, or receiving fails for good, that is
// an error.
func Announce(ctx context.Context, group netip.AddrPort, ifi *net.Interface, name string) error {
	return errors.New("Announce: not implemented yet (labs/01-socket-types/README.md#9-one-to-many)")
}

// Discover asks a group who is there, waits until ctx is done, and returns those
// who have answered by then, sorted by name and then by address. Each name at
// each address is there once: two announcers on one machine, who are members
// with one address, may differ in nothing but their names. That nobody is there
// is not an error.
//
// The question stays on this network: it is sent with a TTL of 1 at most, and
// through ifi and no other interface.
func Discover(ctx context.Context, group netip.AddrPort, ifi *net.Interface) ([]Peer, error) {
	return nil, errors.New("Discover: not implemented yet (labs/01-socket-types/README.md#9-one-to-many)")
}
