//go:build !linux

package rawdiag

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"runtime"
	"time"

	"github.com/google/gopacket"
	"golang.org/x/net/bpf"
)

// What other systems get of the files that are for Linux: an error that says so.

var errNotLinux = fmt.Errorf("these sockets are Linux's, and this is %s: %w", runtime.GOOS, errors.ErrUnsupported)

// Mode is for Linux.
type Mode int

// The modes are for Linux.
const (
	Auto Mode = iota
	PingOnly
	RawOnly
)

// Open is for Linux.
func Open(Protocol, Mode) (*Socket, error) { return nil, errNotLinux }

// A Socket is for Linux.
type Socket struct{}

// String is for Linux.
func (*Socket) String() string { return "" }

// ID is for Linux.
func (*Socket) ID() uint16 { return 0 }

// Source is for Linux.
func (*Socket) Source(netip.Addr) (netip.AddrPort, error) { return netip.AddrPort{}, errNotLinux }

// Send is for Linux.
func (*Socket) Send(Probe) error { return errNotLinux }

// Receive is for Linux.
func (*Socket) Receive() (Arrival, error) { return Arrival{}, errNotLinux }

// SetReadDeadline is for Linux.
func (*Socket) SetReadDeadline(time.Time) error { return errNotLinux }

// Close is for Linux.
func (*Socket) Close() error { return errNotLinux }

// CaptureOptions are for Linux.
type CaptureOptions struct {
	Filter  []bpf.Instruction
	Snaplen int
	Count   int
}

// CaptureStats are for Linux.
type CaptureStats struct {
	Captured int
	Dropped  int
}

// A Source is for Linux.
type Source struct{}

// OpenSource is for Linux.
func OpenSource(string, []bpf.Instruction) (*Source, error) { return nil, errNotLinux }

// ZeroCopyReadPacketData is for Linux.
func (*Source) ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error) {
	return nil, gopacket.CaptureInfo{}, errNotLinux
}

// ReadPacketData is for Linux.
func (*Source) ReadPacketData() ([]byte, gopacket.CaptureInfo, error) {
	return nil, gopacket.CaptureInfo{}, errNotLinux
}

// SetReadDeadline is for Linux.
func (*Source) SetReadDeadline(time.Time) error { return errNotLinux }

// Dropped is for Linux.
func (*Source) Dropped() (int, error) { return 0, errNotLinux }

// Close is for Linux.
func (*Source) Close() error { return errNotLinux }

// Capture is for Linux.
func Capture(context.Context, string, io.Writer, CaptureOptions) (CaptureStats, error) {
	return CaptureStats{}, errNotLinux
}
