package tcpserver

import (
	"errors"
	"io"
)

// ReadPrefixed reads one frame of the other common kind of framing: its length
// in bytes as an unsigned 32-bit number in network byte order (big-endian),
// then that many bytes. The chat does not use it, because nobody can type it
// into nc; binary protocols do.
//
// The error is io.EOF when the stream ends before the first byte,
// io.ErrUnexpectedEOF when it ends within the frame, and ErrFrameTooLong when
// the length is over max. A length is a stranger's word: no memory is taken
// for bytes that have not come.
func ReadPrefixed(r io.Reader, max int) ([]byte, error) {
	return nil, errors.New("ReadPrefixed: not implemented yet (labs/02-tcp-server/README.md#1-framing)")
}

// WritePrefixed writes payload with its length before it, as ReadPrefixed
// reads it, in a single Write. It returns ErrFrameTooLong when the length does
// not fit into 32 bits.
func WritePrefixed(w io.Writer, payload []byte) error {
	return errors.New("WritePrefixed: not implemented yet (labs/02-tcp-server/README.md#1-framing)")
}
