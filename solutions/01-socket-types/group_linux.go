package sockettypes

import (
	"cmp"
	"context"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"syscall"
	"time"

	"golang.org/x/net/ipv4"
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
	config := net.ListenConfig{Control: func(_, _ string, raw syscall.RawConn) error {
		return onRaw(raw, func(fd int) error {
			return os.NewSyscallError("setsockopt", errors.Join(
				unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_REUSEADDR, 1),
				unix.SetsockoptInt(fd, unix.IPPROTO_IP, unix.IP_MULTICAST_ALL, 0)))
		})
	}}
	pc, err := config.ListenPacket(ctx, "udp4", group.String())
	if err != nil {
		return nil, err
	}
	if err := ipv4.NewPacketConn(pc).JoinGroup(ifi, &net.UDPAddr{IP: group.Addr().AsSlice()}); err != nil {
		pc.Close()
		return nil, err
	}
	return pc.(*net.UDPConn), nil
}

// LeaveGroup undoes JoinGroup for a socket that stays open: it hears nothing of
// the group any more. For one that is not in the group, that is an error.
func LeaveGroup(c *net.UDPConn, group netip.AddrPort, ifi *net.Interface) error {
	return ipv4.NewPacketConn(c).LeaveGroup(ifi, &net.UDPAddr{IP: group.Addr().AsSlice()})
}

// Announce answers whoever asks a group who is there (the constant question),
// with answer(name), until ctx is done; then it returns nil. The answer goes to
// the asker alone. What is not the question, the whole of it and no more, gets no
// answer. When the group cannot be joined, or receiving fails for good, that is
// an error.
func Announce(ctx context.Context, group netip.AddrPort, ifi *net.Interface, name string) error {
	c, err := JoinGroup(ctx, group, ifi)
	if err != nil {
		return err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })() // wakes ReceiveAll
	err = ReceiveAll(c, make([]byte, len(question)+1), func(d Datagram) {
		if string(d.Payload) == question {
			// An asker who is gone by now is no reason to stop.
			_ = SendDatagram(c, answer(name), d.From)
		}
	})
	if ctx.Err() != nil {
		return nil
	}
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
	c, err := net.ListenUDP("udp4", nil)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	out := ipv4.NewPacketConn(c)
	if err := errors.Join(out.SetMulticastInterface(ifi), out.SetMulticastTTL(1), out.SetMulticastLoopback(true)); err != nil {
		return nil, err
	}
	if err := SendDatagram(c, []byte(question), group); err != nil {
		return nil, err
	}
	defer context.AfterFunc(ctx, func() { c.SetReadDeadline(time.Unix(1, 0)) })()
	var peers []Peer
	err = ReceiveAll(c, make([]byte, 1500), func(d Datagram) {
		name, ok := nameIn(d.Payload)
		if p := (Peer{name, d.From}); ok && !d.Truncated && !slices.Contains(peers, p) {
			peers = append(peers, p)
		}
	})
	if ctx.Err() == nil {
		return nil, err
	}
	slices.SortFunc(peers, func(a, b Peer) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), a.Addr.Compare(b.Addr))
	})
	return peers, nil
}
