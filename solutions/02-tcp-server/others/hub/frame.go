package tcpserver

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
	r     *bufio.Reader
	spill []byte // what a frame has so far when it does not fit into r's buffer
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
	d.spill = d.spill[:0]
	for {
		part, err := d.r.ReadSlice('\n')
		if len(d.spill)+len(part) > MaxFrame {
			return nil, ErrFrameTooLong
		}
		switch {
		case err == nil:
			line := part
			if len(d.spill) > 0 {
				d.spill = append(d.spill, part...)
				line = d.spill
			}
			line = line[:len(line)-1]
			if n := len(line); n > 0 && line[n-1] == '\r' {
				line = line[:n-1]
			}
			if !utf8.Valid(line) {
				return nil, ErrNotUTF8
			}
			return line, nil
		case errors.Is(err, bufio.ErrBufferFull):
			if len(d.spill)+len(part) == MaxFrame {
				return nil, ErrFrameTooLong // not even its LF fits now
			}
			d.spill = append(d.spill, part...)
		case err == io.EOF && len(d.spill)+len(part) > 0:
			return nil, io.ErrUnexpectedEOF
		default:
			return nil, err
		}
	}
}

// WriteFrame writes payload and an LF to w as one frame, in a single Write, so
// that frames from several goroutines do not mix. It returns ErrLineFeed or
// ErrFrameTooLong without writing anything when payload cannot be a frame, and
// otherwise the error of the Write.
func WriteFrame(w io.Writer, payload []byte) error {
	frame, err := frameOf(payload)
	if err != nil {
		return err
	}
	_, err = w.Write(frame)
	return err
}

// frameOf makes payload a frame of its own.
func frameOf(payload []byte) ([]byte, error) {
	if len(payload) >= MaxFrame {
		return nil, ErrFrameTooLong
	}
	if bytes.IndexByte(payload, '\n') >= 0 {
		return nil, ErrLineFeed
	}
	frame := make([]byte, 0, len(payload)+1)
	return append(append(frame, payload...), '\n'), nil
}
