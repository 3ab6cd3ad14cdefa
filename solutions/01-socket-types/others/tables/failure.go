package sockettypes

import (
	"context"
	"errors"
	"io"
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
	for _, k := range kinds {
		if k.fits(err) {
			return k.is
		}
	}
	return Unknown
}

// kinds are the kinds of failure, the first that fits is it: a name service
// that is silent is temporary trouble as well.
var kinds = []struct {
	is   Failure
	fits func(error) bool
}{
	{Ended, oneOf(io.EOF)},
	{Canceled, oneOf(context.Canceled)},
	{UseOfClosed, oneOf(net.ErrClosed)},
	{Refused, oneOf(syscall.ECONNREFUSED)},
	{Reset, oneOf(syscall.ECONNRESET)},
	{Pipe, oneOf(syscall.EPIPE)},
	{InUse, oneOf(syscall.EADDRINUSE)},
	{TooBig, oneOf(syscall.EMSGSIZE)},
	{Unreachable, oneOf(syscall.ENETUNREACH, syscall.EHOSTUNREACH)},
	{Denied, oneOf(syscall.EACCES, syscall.EPERM)},
	{NoFiles, oneOf(syscall.EMFILE, syscall.ENFILE)},
	{TimedOut, oneOf(syscall.ETIMEDOUT, context.DeadlineExceeded)},
	{TimedOut, func(err error) bool {
		t, ok := errors.AsType[interface {
			error
			Timeout() bool
		}](err)
		// EAGAIN has the method too, and means something else.
		return ok && t.Timeout() && !errors.Is(err, syscall.EAGAIN)
	}},
	{NotFound, trouble(func(e *net.DNSError) bool { return e.IsNotFound })},
	{Temporary, trouble(func(e *net.DNSError) bool { return e.IsTemporary })},
}

func oneOf(targets ...error) func(error) bool {
	return func(err error) bool {
		for _, t := range targets {
			if errors.Is(err, t) {
				return true
			}
		}
		return false
	}
}

func trouble(what func(*net.DNSError) bool) func(error) bool {
	return func(err error) bool {
		e, ok := errors.AsType[*net.DNSError](err)
		return ok && what(e)
	}
}
