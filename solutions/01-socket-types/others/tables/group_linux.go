package sockettypes

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
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
	if !group.Addr().Is4() || !group.Addr().IsMulticast() {
		return nil, fmt.Errorf("join %s: no IPv4 multicast group", group)
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	// Bound to the group's own address, and not to every one, so that what is
	// sent to others does not come in at all.
	return udp4(
		number(unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
		number(unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0),
		membership(unix.IP_ADD_MEMBERSHIP, group, ifi),
		func(fd int) error {
			return unix.Bind(fd, &unix.SockaddrInet4{Addr: group.Addr().As4(), Port: int(group.Port())})
		},
	)
}

// LeaveGroup undoes JoinGroup for a socket that stays open: it hears nothing of
// the group any more. For one that is not in the group, that is an error.
func LeaveGroup(c *net.UDPConn, group netip.AddrPort, ifi *net.Interface) error {
	return onSocket(c, membership(unix.IP_DROP_MEMBERSHIP, group, ifi))
}

// Announce answers whoever asks a group who is there (the constant question),
// with answer(name), until ctx is done; then it returns nil. The answer goes to
// the asker alone. What is not the question, the whole of it and no more, gets no
// answer. When the group cannot be joined, or receiving fails for good, that is
// an error.
func Announce(ctx context.Context, group netip.AddrPort, ifi *net.Interface, name string) error {
	c, err := JoinGroup(ctx, group, ifi)
	if err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	reply := answer(name)
	err = until(ctx, c, make([]byte, len(question)+1), func(d Datagram) {
		if string(d.Payload) == question {
			_ = SendDatagram(c, reply, d.From) // the asker may be gone, or ask again
		}
	})
	return err
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
	c, err := udp4(
		number(unix.IPPROTO_IP, unix.IP_MULTICAST_TTL, 1),
		func(fd int) error {
			return unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_IF, &unix.IPMreqn{Ifindex: int32(ifi.Index)})
		},
		func(fd int) error { return unix.Bind(fd, &unix.SockaddrInet4{}) },
	)
	if err != nil {
		return nil, err
	}
	if err := SendDatagram(c, []byte(question), group); err != nil {
		c.Close()
		return nil, err
	}
	// Datagrams get lost: asked again now and then, whoever missed it answers.
	again := make(chan struct{})
	go func() {
		defer close(again)
		for tick := time.Tick(300 * time.Millisecond); ; {
			select {
			case <-ctx.Done():
				return
			case <-tick:
				if SendDatagram(c, []byte(question), group) != nil {
					return
				}
			}
		}
	}()
	found := map[Peer]struct{}{}
	err = until(ctx, c, make([]byte, 64<<10), func(d Datagram) {
		if name, ok := nameIn(d.Payload); ok {
			found[Peer{name, d.From}] = struct{}{}
		}
	})
	<-again // it ends with ctx, or when c is closed
	if err != nil {
		return nil, err
	}
	return slices.SortedFunc(maps.Keys(found), func(a, b Peer) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), a.Addr.Compare(b.Addr))
	}), nil
}

// until receives until ctx is done, which is no error, and closes c.
func until(ctx context.Context, c *net.UDPConn, buf []byte, deliver func(Datagram)) error {
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })
	defer stop()
	if err := ReceiveAll(c, buf, deliver); ctx.Err() == nil {
		return err
	}
	return nil
}

// udp4 makes a UDP socket and does all of steps to it before it is anybody's.
func udp4(steps ...func(fd int) error) (*net.UDPConn, error) {
	f, err := Open(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return nil, err
	}
	defer f.Close() // the connection has a copy
	for i, step := range steps {
		if err := onSocket(f, step); err != nil {
			return nil, fmt.Errorf("group socket, setting %d of %d: %w", i+1, len(steps), err)
		}
	}
	pc, err := net.FilePacketConn(f)
	if err != nil {
		return nil, err
	}
	c, ok := pc.(*net.UDPConn)
	if !ok {
		return nil, errors.Join(fmt.Errorf("UDP socket: a %T", pc), pc.Close())
	}
	return c, nil
}

func number(level, option, value int) func(int) error {
	return func(fd int) error {
		return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, option, value))
	}
}

func membership(verb int, group netip.AddrPort, ifi *net.Interface) func(int) error {
	return func(fd int) error {
		m := unix.IPMreqn{Multiaddr: group.Addr().As4(), Ifindex: int32(ifi.Index)}
		return os.NewSyscallError("setsockopt", unix.SetsockoptIPMreqn(fd, unix.IPPROTO_IP, verb, &m))
	}
}
