package sockettypes

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// The names of the numbers, as the kernel's headers have them.
var (
	familyNames = map[int]string{
		unix.AF_UNIX: "AF_UNIX", unix.AF_INET: "AF_INET", unix.AF_INET6: "AF_INET6",
		unix.AF_NETLINK: "AF_NETLINK", unix.AF_PACKET: "AF_PACKET",
	}
	typeNames = map[int]string{
		unix.SOCK_STREAM: "SOCK_STREAM", unix.SOCK_DGRAM: "SOCK_DGRAM",
		unix.SOCK_RAW: "SOCK_RAW", unix.SOCK_SEQPACKET: "SOCK_SEQPACKET",
	}
	ipProtocolNames = map[int]string{
		unix.IPPROTO_ICMP: "IPPROTO_ICMP", unix.IPPROTO_TCP: "IPPROTO_TCP", unix.IPPROTO_UDP: "IPPROTO_UDP",
		unix.IPPROTO_ICMPV6: "IPPROTO_ICMPV6", unix.IPPROTO_RAW: "IPPROTO_RAW", unix.IPPROTO_MPTCP: "IPPROTO_MPTCP",
	}
)

// protocolNames are the names of the protocols of a family: outside of the
// Internet the numbers mean other things.
func protocolNames(family int) map[int]string {
	if family == unix.AF_INET || family == unix.AF_INET6 {
		return ipProtocolNames
	}
	return nil
}

// localAddr is the address that a socket has, "" if it has none.
func localAddr(fd int) (string, error) {
	sa, err := unix.Getsockname(fd)
	if errors.Is(err, unix.EAFNOSUPPORT) {
		return "", nil // of a family that package unix cannot write down
	}
	return text(sa), os.NewSyscallError("getsockname", err)
}

// peerAddr is the address that a socket is connected to, "" if it is not.
func peerAddr(fd int) (string, error) {
	sa, err := unix.Getpeername(fd)
	for _, none := range []error{unix.ENOTCONN, unix.EOPNOTSUPP, unix.EAFNOSUPPORT} {
		if errors.Is(err, none) {
			return "", nil
		}
	}
	return text(sa), os.NewSyscallError("getpeername", err)
}

// text is an address as package net writes it.
func text(sa unix.Sockaddr) string {
	switch sa := sa.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(sa.Addr), uint16(sa.Port)).String()
	case *unix.SockaddrInet6:
		addr := netip.AddrFrom16(sa.Addr).Unmap()
		if ifi, err := net.InterfaceByIndex(int(sa.ZoneId)); err == nil {
			addr = addr.WithZone(ifi.Name)
		}
		return netip.AddrPortFrom(addr, uint16(sa.Port)).String()
	case *unix.SockaddrUnix:
		if sa.Name == "@" {
			return "" // the kernel gives one that has no name a name of no letters
		}
		return sa.Name
	case *unix.SockaddrLinklayer:
		if ifi, err := net.InterfaceByIndex(sa.Ifindex); err == nil {
			return ifi.Name
		}
		return "every interface"
	default:
		return ""
	}
}

// namespaces says why this process cannot have a user namespace of its own, and
// the privileges that come with it; nil if it can. The kernel makes the
// namespaces for a new process (clone(2)) before that process becomes another
// program, and since there is no program by that name, nothing ever runs. A
// host name of its own (CLONE_NEWUTS) is asked for because it takes a privilege
// and next to no time.
func namespaces() error {
	_, err := syscall.ForkExec("/proc/self/no such program", []string{"none"}, &syscall.ProcAttr{
		Sys: &syscall.SysProcAttr{
			Cloneflags:  syscall.CLONE_NEWUSER | syscall.CLONE_NEWUTS,
			UidMappings: []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}},
		},
	})
	if errors.Is(err, syscall.ENOENT) {
		return nil
	}
	return fmt.Errorf("a namespace: %w", err)
}
