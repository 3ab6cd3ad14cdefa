package sockettypes

import (
	"errors"
	"fmt"
	"net"
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
	// Not in one go with the flags: a fork in between would let the
	// descriptor out, which ForkLock keeps from happening.
	syscall.ForkLock.RLock()
	fd, err := unix.Socket(family, typ, protocol)
	if err == nil {
		unix.CloseOnExec(fd)
	}
	syscall.ForkLock.RUnlock()
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.SetNonblock(fd, true); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("fcntl", err)
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
	var (
		info      Info
		accepting int
	)
	number := func(into *int, option int) func(int) error {
		return func(fd int) (err error) {
			*into, err = unix.GetsockoptInt(fd, unix.SOL_SOCKET, option)
			return os.NewSyscallError("getsockopt", err)
		}
	}
	address := func(into *string, ask func(int) (string, error)) func(int) error {
		return func(fd int) (err error) {
			*into, err = ask(fd)
			return err
		}
	}
	err := onSocket(c, func(fd int) error {
		for _, ask := range []func(int) error{
			number(&info.Family, unix.SO_DOMAIN),
			number(&info.Type, unix.SO_TYPE),
			number(&info.Protocol, unix.SO_PROTOCOL),
			number(&accepting, unix.SO_ACCEPTCONN),
			address(&info.Local, localAddr),
			address(&info.Peer, peerAddr),
		} {
			if err := ask(fd); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return Info{}, fmt.Errorf("describe: %w", err)
	}
	info.Listening = accepting != 0
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
	var answer error
	if err := raw.Control(func(fd uintptr) { answer = f(int(fd)) }); err != nil {
		if _, ok := c.(*os.File); ok && !errors.Is(err, net.ErrClosed) {
			// Package os has an error of its own for a closed file, which is
			// neither net.ErrClosed nor os.ErrClosed.
			err = fmt.Errorf("%w: %w", net.ErrClosed, err)
		}
		return err
	}
	return answer
}
