package rawdiag

import (
	"context"
	"errors"
	"fmt"
	"io"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// CaptureOptions say what to capture.
type CaptureOptions struct {
	Filter  []bpf.Instruction // nil is everything
	Snaplen int               // most bytes of a frame that are kept; 0 is all
	Count   int               // ends after so many frames; 0 is never
}

// CaptureStats is what a capture came to.
type CaptureStats struct {
	Captured int // frames that were written
	Dropped  int // frames that the kernel had no room for
}

// OpenSource opens a packet socket that gives the frames which an interface sends
// and receives and which the filter accepts: packet(7). No frame of another
// interface and none that the filter refuses is ever among them. A nil filter accepts
// everything.
//
// Where the kernel does not allow it, the error is a *[PrivilegeError]. When
// OpenSource fails, nothing stays open.
func OpenSource(iface string, filter []bpf.Instruction) (*Source, error) {
	return nil, errors.New("OpenSource: not implemented yet (labs/05-raw-diagnostics/README.md#8-capture)")
}

// sockFilter is a program as the kernel wants it.
func sockFilter(filter []bpf.Instruction) ([]unix.SockFilter, error) {
	raw, err := bpf.Assemble(filter)
	if err != nil {
		return nil, fmt.Errorf("filter: %w", err)
	}
	program := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		program[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return program, nil
}

// Capture writes the frames that an interface sends and receives to w, in the format
// pcapng, which every analyser reads. A frame has the time at which the kernel saw
// it, in nanoseconds, and its length on the wire, also where Snaplen cuts it.
//
// It ends when ctx ends, which is no error, after Count frames, or with the first
// error of the interface or of w. Every frame that the kernel had seen by then is
// written, and what is written is a whole file.
func Capture(ctx context.Context, iface string, w io.Writer, o CaptureOptions) (CaptureStats, error) {
	return CaptureStats{}, errors.New("Capture: not implemented yet (labs/05-raw-diagnostics/README.md#8-capture)")
}
