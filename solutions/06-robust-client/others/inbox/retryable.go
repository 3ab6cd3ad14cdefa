package robustclient

import (
	"context"
	"io"
	"net"
	"os"
	"slices"
	"syscall"
)

// passing are the errors of system calls that say something about this moment,
// and not about what was asked for.
var passing = []error{
	// Nobody listens there now, or the connection was lost.
	syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.ECONNABORTED, syscall.EPIPE, syscall.ETIMEDOUT,
	// There is no way there now.
	syscall.EHOSTUNREACH, syscall.ENETUNREACH, syscall.EHOSTDOWN, syscall.ENETDOWN, syscall.ENETRESET,
	// This machine is short of something now: ports, descriptors, memory.
	syscall.EADDRNOTAVAIL, syscall.EMFILE, syscall.ENFILE, syscall.ENOBUFS, syscall.ENOMEM,
	syscall.EAGAIN, syscall.EINTR,
}

// Retryable tells whether what failed with err may succeed when it is tried
// again, with nothing changed but the time:
//
//	yes  refused, reset, aborted, timed out, no way to the host (connect(2))
//	yes  the server ended the connection: io.EOF, io.ErrUnexpectedEOF
//	yes  a deadline of the connection (os.ErrDeadlineExceeded), and any
//	     *net.OpError that is a timeout, such as that of a connect
//	yes  the name server does not answer, or cannot say just now
//	yes  this machine is short of descriptors, memory or ports
//	no   the name does not exist, or has no address, or what is wrong with it no
//	     flag of the *net.DNSError says
//	no   the address, port or network makes no sense
//	no   the certificate does not prove who the server is
//	no   the caller's context is cancelled, or its deadline has passed
//	no   the connection was closed on this side (net.ErrClosed)
//	no   nil, and whatever is not listed here
//
// Errors may be wrapped, as by fmt.Errorf with %w.
func Retryable(err error) bool {
	return judge(err) == pass
}

type verdict int

const (
	unknown verdict = iota
	pass
	final
)

// judge walks the tree of wrapped errors from the outside in. The first node
// that knows an answer gives it; of several branches one that is final wins.
func judge(err error) verdict {
	switch e := err.(type) {
	case nil:
		return unknown
	case *net.DNSError:
		if !e.IsNotFound && (e.IsTemporary || e.IsTimeout) {
			return pass
		}
		return final
	case *net.OpError:
		// A connect that timed out says context.DeadlineExceeded inside. A timeout
		// of the name server comes in here as well.
		if v := judge(e.Err); v == final && !(e.Err == context.DeadlineExceeded || e.Timeout()) {
			return final
		}
		if e.Timeout() {
			return pass
		}
	}
	switch err {
	case context.Canceled, context.DeadlineExceeded, net.ErrClosed:
		return final
	case io.EOF, io.ErrUnexpectedEOF, os.ErrDeadlineExceeded:
		return pass
	}
	if number, ok := err.(syscall.Errno); ok {
		if slices.Contains(passing, error(number)) {
			return pass
		}
		return unknown
	}
	switch e := err.(type) {
	case interface{ Unwrap() error }:
		return judge(e.Unwrap())
	case interface{ Unwrap() []error }:
		best := unknown
		for _, inner := range e.Unwrap() {
			best = max(best, judge(inner))
		}
		return best
	}
	return unknown
}
