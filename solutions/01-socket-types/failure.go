package sockettypes

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"net"
	"syscall"
)

// Classify says of which kind an error is, however often it was wrapped on its
// way (with %w, or by package net).
//
//	NoFailure    nil
//	Ended        io.EOF
//	Refused      ECONNREFUSED
//	Reset        ECONNRESET
//	Pipe         EPIPE
//	TimedOut     ETIMEDOUT; a deadline of a connection, a dialer or a context;
//	             a name service that is silent
//	Canceled     context.Canceled
//	UseOfClosed  net.ErrClosed
//	InUse        EADDRINUSE
//	TooBig       EMSGSIZE
//	Unreachable  ENETUNREACH, EHOSTUNREACH
//	Denied       EACCES, EPERM
//	NoFiles      EMFILE, ENFILE
//	NotFound     a name that does not exist, or has no address
//	Temporary    any other trouble of the name service that may pass
//	Unknown      everything else
//
// A lookup of a name fails with a *net.DNSError, whose fields say how. One that
// was cancelled is Canceled, and one that waited too long is TimedOut, though it
// is temporary as well; one whose fields say nothing is Unknown. What else is
// wrong with an address (*net.AddrError) is Unknown, and so is an end in the
// middle of a message (io.ErrUnexpectedEOF): the other side had more to say.
// Where two kinds fit in some other way, either is right.
func Classify(err error) Failure {
	if err == nil {
		return NoFailure
	}
	for _, known := range []struct {
		err  error
		kind Failure
	}{
		{io.EOF, Ended},
		{context.Canceled, Canceled},
		{net.ErrClosed, UseOfClosed},
		{syscall.ECONNREFUSED, Refused},
		{syscall.ECONNRESET, Reset},
		{syscall.EPIPE, Pipe},
		{syscall.EADDRINUSE, InUse},
		{syscall.EMSGSIZE, TooBig},
		{syscall.ENETUNREACH, Unreachable},
		{syscall.EHOSTUNREACH, Unreachable},
		{fs.ErrPermission, Denied}, // EACCES and EPERM
		{syscall.EMFILE, NoFiles},
		{syscall.ENFILE, NoFiles},
	} {
		if errors.Is(err, known.err) {
			return known.kind
		}
	}
	// Timeouts come from many places, and all of them have this method. A
	// silent name service is temporary too, so this has to come before.
	if timeout := (interface{ Timeout() bool })(nil); errors.As(err, &timeout) && timeout.Timeout() {
		return TimedOut
	}
	if dns := (*net.DNSError)(nil); errors.As(err, &dns) {
		switch {
		case dns.IsNotFound:
			return NotFound
		case dns.IsTemporary:
			return Temporary
		}
	}
	return Unknown
}
