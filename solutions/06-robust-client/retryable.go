package robustclient

import (
	"context"
	"errors"
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
	var name *net.DNSError
	var network *net.OpError
	switch {
	case errors.Is(err, context.Canceled):
		return false
	case errors.As(err, &name):
		return !name.IsNotFound && (name.IsTemporary || name.IsTimeout)
	case errors.As(err, &network) && network.Timeout():
		// The timeout of a connect is context.DeadlineExceeded to errors.Is. A
		// context's own comes without a net.OpError around it.
		return true
	case errors.Is(err, os.ErrDeadlineExceeded), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return true
	}
	return slices.ContainsFunc(passing, func(e error) bool { return errors.Is(err, e) })
}
