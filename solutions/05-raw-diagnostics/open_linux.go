package rawdiag

import (
	"errors"
	"math/rand/v2"
	"os"

	"golang.org/x/sys/unix"
)

// Mode is which kind of socket is wanted.
type Mode int

// The modes.
const (
	Auto     Mode = iota // a ping socket if there may be one, else a raw one
	PingOnly             // a ping socket: needs net.ipv4.ping_group_range, icmp(7)
	RawOnly              // a raw socket: needs CAP_NET_RAW, raw(7)
)

// Open opens a socket for the messages of ICMP or ICMPv6.
//
// Its ID is the one that echo requests really carry: a ping socket has that of
// its local port, whatever a message says; a raw one has a random one. Its arrivals
// have the time at which the kernel received them (SO_TIMESTAMPNS, socket(7)) and
// the TTL that they came with (IP_RECVTTL, ip(7), IPV6_RECVHOPLIMIT, ipv6(7)). A
// raw socket receives replies and errors, and not the requests that others, or
// this program, send to this machine (ICMP_FILTER, raw(7), and RFC 3542,
// section 3.2).
//
// Where the kernel allows none of the sockets that the mode names, the error is a
// *[PrivilegeError]. When Open fails, nothing stays open.
func Open(p Protocol, m Mode) (*Socket, error) {
	denied := &PrivilegeError{}
	if m != RawOnly {
		s, err := open(p, unix.SOCK_DGRAM)
		if !errors.Is(err, os.ErrPermission) {
			return s, err
		}
		denied.Ping = err
	}
	if m != PingOnly {
		s, err := open(p, unix.SOCK_RAW)
		if !errors.Is(err, os.ErrPermission) {
			return s, err
		}
		denied.Raw = err
	}
	return nil, denied
}

func open(p Protocol, typ int) (*Socket, error) {
	family := unix.AF_INET
	if p == ICMPv6 {
		family = unix.AF_INET6
	}
	fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(p))
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	id := uint16(rand.Uint32())
	if err = setOptions(fd, p); err == nil {
		if typ == unix.SOCK_RAW {
			err = onlyReplies(fd, p)
		} else {
			id, err = kernelID(fd, p)
		}
	}
	if err != nil {
		unix.Close(fd)
		return nil, err
	}
	return newSocket(fd, p, id)
}

// setOptions asks for what Receive tells of a message.
func setOptions(fd int, p Protocol) error {
	level, option := unix.IPPROTO_IP, unix.IP_RECVTTL
	if p == ICMPv6 {
		level, option = unix.IPPROTO_IPV6, unix.IPV6_RECVHOPLIMIT
	}
	return os.NewSyscallError("setsockopt", errors.Join(
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TIMESTAMPNS, 1),
		unix.SetsockoptInt(fd, level, option, 1)))
}

// kernelID is the identifier that the kernel gives to a ping socket: its port.
func kernelID(fd int, p Protocol) (uint16, error) {
	var local unix.Sockaddr = &unix.SockaddrInet4{}
	if p == ICMPv6 {
		local = &unix.SockaddrInet6{}
	}
	if err := unix.Bind(fd, local); err != nil {
		return 0, os.NewSyscallError("bind", err)
	}
	local, err := unix.Getsockname(fd)
	switch local := local.(type) {
	case *unix.SockaddrInet4:
		return uint16(local.Port), nil
	case *unix.SockaddrInet6:
		return uint16(local.Port), nil
	}
	return 0, os.NewSyscallError("getsockname", err)
}

// onlyReplies lets through what a diagnosis waits for. In the filter of IPv4 a
// set bit keeps the message of that type away, raw(7); in that of ICMPv6 it does
// the same in eight words, see linux/icmpv6.h.
func onlyReplies(fd int, p Protocol) error {
	if p == ICMPv6 {
		var filter unix.ICMPv6Filter
		for i := range filter.Data {
			filter.Data[i] = ^uint32(0)
		}
		for _, typ := range []int{1, 2, 3, 4, 129} { // the errors, and the reply
			filter.Data[typ/32] &^= 1 << (typ % 32)
		}
		return os.NewSyscallError("setsockopt", unix.SetsockoptICMPv6Filter(fd, unix.IPPROTO_ICMPV6, unix.ICMPV6_FILTER, &filter))
	}
	filter := ^uint32(1<<0 | 1<<3 | 1<<11 | 1<<12) // reply, unreachable, time exceeded, parameter problem
	const icmpFilter = 1                           // ICMP_FILTER, see raw(7)
	return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_RAW, icmpFilter, int(int32(filter))))
}
