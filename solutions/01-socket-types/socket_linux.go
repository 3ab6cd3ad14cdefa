package sockettypes

import (
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// Open makes a socket of three numbers: an address family (unix.AF_INET), a
// type (unix.SOCK_STREAM) and a protocol (unix.IPPROTO_TCP, or 0 for the one
// that the other two imply); see socket(2). The socket is open, bound to no
// address, and the caller's to close.
//
// Programs that this one starts do not inherit it (SOCK_CLOEXEC). Closing it
// wakes whoever reads from it, which takes a socket that does not block
// (SOCK_NONBLOCK): then it is Go's scheduler that waits, and not a thread in
// the kernel.
//
// errors.Is finds the kernel's error, such as unix.EPROTONOSUPPORT.
func Open(family, typ, protocol int) (*os.File, error) {
	fd, err := unix.Socket(family, typ|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, protocol)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	return os.NewFile(uintptr(fd), "socket"), nil
}

// Describe returns what the kernel says about the socket of c. Every
// connection and listener of package net is a syscall.Conn, and so is the
// *os.File that Open returns. Describe changes nothing about it.
//
// It is an error if c is closed, or no socket at all (unix.ENOTSOCK). For a
// connection or a listener that is closed, errors.Is finds net.ErrClosed; package
// os has an error of its own for a closed file.
func Describe(c syscall.Conn) (Info, error) {
	var info Info
	err := onSocket(c, func(fd int) error {
		var listening int
		for _, field := range []struct {
			option int
			value  *int
		}{
			{unix.SO_DOMAIN, &info.Family},
			{unix.SO_TYPE, &info.Type},
			{unix.SO_PROTOCOL, &info.Protocol},
			{unix.SO_ACCEPTCONN, &listening},
		} {
			var err error
			if *field.value, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, field.option); err != nil {
				return os.NewSyscallError("getsockopt", err)
			}
		}
		info.Listening = listening != 0
		var err error
		if info.Local, err = localAddr(fd); err != nil {
			return err
		}
		info.Peer, err = peerAddr(fd)
		return err
	})
	if err != nil {
		return Info{}, err
	}
	return info, nil
}

// onSocket calls f with the descriptor of c, the number by which the kernel
// knows the socket. It is f's for as long as f runs: until then nobody closes
// it, and afterwards the number may mean another socket.
//
// Two things can go wrong, and both are told: that f could not be called, since
// c is closed, and what f returned.
func onSocket(c syscall.Conn, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	return onRaw(raw, f)
}

// onRaw is onSocket for somebody who has the RawConn already.
func onRaw(raw syscall.RawConn, f func(fd int) error) error {
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}
