package sockettypes

import (
	"errors"
	"os"
	"syscall"
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
	return nil, errors.New("Open: not implemented yet (labs/01-socket-types/README.md#2-what-a-socket-is)")
}

// Describe returns what the kernel says about the socket of c. Every
// connection and listener of package net is a syscall.Conn, and so is the
// *os.File that Open returns. Describe changes nothing about it.
//
// It is an error if c is closed, or no socket at all (unix.ENOTSOCK). For a
// connection or a listener that is closed, errors.Is finds net.ErrClosed; package
// os has an error of its own for a closed file.
func Describe(c syscall.Conn) (Info, error) {
	return Info{}, errors.New("Describe: not implemented yet (labs/01-socket-types/README.md#2-what-a-socket-is)")
}

// onSocket calls f with the descriptor of c, the number by which the kernel
// knows the socket. It is f's for as long as f runs: until then nobody closes
// it, and afterwards the number may mean another socket.
//
// Two things can go wrong, and both are told: that f could not be called, since
// c is closed, and what f returned.
func onSocket(c syscall.Conn, f func(fd int) error) error {
	return errors.New("onSocket: not implemented yet (labs/01-socket-types/README.md#2-what-a-socket-is)")
}
