package rawdiag

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
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
	var denied PrivilegeError
	for _, kind := range []struct {
		is, not int
		unless  Mode
		reason  *error
	}{{is: unix.SOCK_DGRAM, unless: RawOnly, reason: &denied.Ping}, {is: unix.SOCK_RAW, unless: PingOnly, reason: &denied.Raw}} {
		if m == kind.unless {
			continue
		}
		family := map[Protocol]int{ICMP: unix.AF_INET, ICMPv6: unix.AF_INET6}[p]
		fd, err := unix.Socket(family, kind.is|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, int(p))
		if errors.Is(err, os.ErrPermission) {
			*kind.reason = os.NewSyscallError("socket", err)
			continue
		}
		if err != nil {
			return nil, os.NewSyscallError("socket", err)
		}
		id, err := prepare(fd, p, kind.is)
		if err != nil {
			unix.Close(fd)
			return nil, err
		}
		return newSocket(fd, p, id)
	}
	return nil, &denied
}

// prepare sets what a socket needs, and is its identifier.
func prepare(fd int, p Protocol, kind int) (uint16, error) {
	set := func(level, option int) error {
		return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, option, 1))
	}
	ttl := set(unix.SOL_SOCKET, unix.SO_TIMESTAMPNS)
	var local unix.Sockaddr
	if p == ICMP {
		ttl = errors.Join(ttl, set(unix.SOL_IP, unix.IP_RECVTTL))
		local = new(unix.SockaddrInet4)
	} else {
		ttl = errors.Join(ttl, set(unix.SOL_IPV6, unix.IPV6_RECVHOPLIMIT))
		local = new(unix.SockaddrInet6)
	}
	if ttl != nil {
		return 0, ttl
	}
	if kind == unix.SOCK_RAW {
		var id [2]byte
		rand.Read(id[:])
		return binary.BigEndian.Uint16(id[:]), keepRequestsAway(fd, p)
	}
	if err := unix.Bind(fd, local); err != nil {
		return 0, os.NewSyscallError("bind", err)
	}
	name, err := unix.Getsockname(fd)
	if name, ok := name.(*unix.SockaddrInet4); ok {
		return uint16(name.Port), nil
	}
	if name, ok := name.(*unix.SockaddrInet6); ok {
		return uint16(name.Port), nil
	}
	return 0, os.NewSyscallError("getsockname", err)
}

// keepRequestsAway lets everything in but what is no answer and no error.
func keepRequestsAway(fd int, p Protocol) error {
	if p == ICMP {
		return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, unix.SOL_RAW, 1, 1<<8|1<<13|1<<17))
	}
	var f unix.ICMPv6Filter
	f.Data[128/32] |= 1 << (128 % 32)
	for typ := 130; typ < 160; typ++ { // routers, neighbours, multicast
		f.Data[typ/32] |= 1 << (typ % 32)
	}
	return os.NewSyscallError("setsockopt", unix.SetsockoptICMPv6Filter(fd, unix.SOL_ICMPV6, unix.ICMPV6_FILTER, &f))
}
