package sockettypes

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
	return Unknown
}
