package tcpclient

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"unicode/utf8"
)

// MaxFrame is the size in bytes of the largest frame, its LF included.
const MaxFrame = 64 << 10

var (
	// ErrFrameTooLong reports a frame of more than MaxFrame bytes. What follows
	// on the stream cannot be told apart from the frame's rest, so the
	// connection is of no more use.
	ErrFrameTooLong = errors.New("frame is longer than 64 KiB")

	// ErrNotUTF8 reports a frame that is not UTF-8 text.
	ErrNotUTF8 = errors.New("frame is not UTF-8")

	// ErrLineFeed reports a payload that holds an LF, which would be read as
	// the end of the frame.
	ErrLineFeed = errors.New("payload holds a line feed")
)

// A Decoder cuts a stream of bytes into frames: lines that end with LF. A CR
// before the LF is dropped, as telnet and Windows send one.
type Decoder struct {
	r    *bufio.Reader
	line []byte // reused: collects a line that is larger than r's buffer
}

// NewDecoder returns a Decoder that reads from r. It may read more from r than
// the frames that were asked for, so nobody else should read from r afterwards.
func NewDecoder(r io.Reader) *Decoder {
	return &Decoder{r: bufio.NewReader(r)}
}

// Next returns the next frame without its line end. The slice is valid until
// the next call.
//
// The error is io.EOF when the stream ends between two frames,
// io.ErrUnexpectedEOF when it ends within one, ErrFrameTooLong as soon as a
// frame has grown past MaxFrame, ErrNotUTF8 for a whole line that is not
// UTF-8, or whatever reading failed with.
func (d *Decoder) Next() ([]byte, error) {
	d.line = d.line[:0]
	for {
		chunk, err := d.r.ReadSlice('\n')
		d.line = append(d.line, chunk...)
		switch {
		case len(d.line) > MaxFrame, err == bufio.ErrBufferFull && len(d.line) == MaxFrame:
			return nil, ErrFrameTooLong // in the second case its LF would be one too many
		case err == bufio.ErrBufferFull:
			continue
		case err == io.EOF && len(d.line) > 0:
			return nil, io.ErrUnexpectedEOF
		case err != nil:
			return nil, err
		}
		break
	}
	frame := bytes.TrimSuffix(d.line[:len(d.line)-1], []byte("\r"))
	if !utf8.Valid(frame) {
		return nil, ErrNotUTF8
	}
	return frame, nil
}

// WriteFrame writes payload and an LF to w as one frame, in a single Write, as
// the protocol asks. It returns ErrLineFeed or ErrFrameTooLong without writing
// anything when payload cannot be a frame, and otherwise the error of the
// Write, after which a part of the frame may be on its way.
func WriteFrame(w io.Writer, payload []byte) error {
	if len(payload)+1 > MaxFrame {
		return ErrFrameTooLong
	}
	if bytes.IndexByte(payload, '\n') >= 0 {
		return ErrLineFeed
	}
	_, err := w.Write(append(bytes.Clone(payload), '\n'))
	return err
}
