package tcpserver

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
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
	var head [4]byte
	if _, err := io.ReadFull(r, head[:]); err != nil {
		return nil, err
	}
	length := int64(binary.BigEndian.Uint32(head[:]))
	if length > int64(max) {
		return nil, ErrFrameTooLong
	}
	var body bytes.Buffer
	if _, err := io.CopyN(&body, r, length); err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF // the length has come, so this is within the frame
		}
		return nil, err
	}
	return body.Bytes(), nil
}

// WritePrefixed writes payload with its length before it, as ReadPrefixed
// reads it, in a single Write. It returns ErrFrameTooLong when the length does
// not fit into 32 bits.
func WritePrefixed(w io.Writer, payload []byte) error {
	if uint64(len(payload)) > math.MaxUint32 {
		return ErrFrameTooLong
	}
	frame := make([]byte, 0, 4+len(payload))
	frame = binary.BigEndian.AppendUint32(frame, uint32(len(payload)))
	_, err := w.Write(append(frame, payload...))
	return err
}
