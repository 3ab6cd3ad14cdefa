package rawdiag

import (
	"context"
	"errors"
	"io"

	"golang.org/x/net/bpf"
)

// CaptureOptions say what to capture.
type CaptureOptions struct {
	Filter  []bpf.Instruction // nil is everything
	Snaplen int               // most bytes of a frame that are kept; 0 is all
	Count   int               // ends after so many frames; 0 is never
}

// CaptureStats is what a capture came to.
type CaptureStats struct {
	Captured int // written
	Dropped  int // that the kernel had no room for
}

// Capture writes the frames that an interface sends and receives to w, in the
// format pcapng, until ctx ends, which is no error.
func Capture(ctx context.Context, iface string, w io.Writer, o CaptureOptions) (CaptureStats, error) {
	return CaptureStats{}, errors.New("Capture: not implemented yet (labs/05-raw-diagnostics/README.md#8-capture)")
}
