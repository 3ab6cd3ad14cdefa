package rawdiag

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
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
	i, err := net.InterfaceByName(iface)
	if err != nil {
		return nil, fmt.Errorf("interface %s: %w", iface, err)
	}
	program, err := sockFilter(filter)
	if err != nil {
		return nil, err
	}
	// With protocol 0 nothing comes in until bind says what, and from where.
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if errors.Is(err, os.ErrPermission) {
		return nil, &PrivilegeError{Raw: os.NewSyscallError("socket", err)}
	}
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := setFilter(fd, program); err != nil {
		unix.Close(fd)
		return nil, err
	}
	s, err := newSource(fd, i)
	if err != nil {
		return nil, err
	}
	const all = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8 // in network order
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all & 0xffff, Ifindex: i.Index}); err != nil {
		s.Close()
		return nil, os.NewSyscallError("bind", err)
	}
	return s, nil
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
func Capture(ctx context.Context, iface string, w io.Writer, o CaptureOptions) (stats CaptureStats, err error) {
	s, err := OpenSource(iface, o.Filter)
	if err != nil {
		return stats, err
	}
	defer s.Close()
	file, err := pcapgo.NewNgWriterInterface(w, pcapgo.NgInterface{
		Name: iface, LinkType: layers.LinkTypeEthernet, SnapLength: uint32(o.Snaplen),
	}, pcapgo.DefaultNgWriterOptions)
	if err != nil {
		return stats, err
	}
	defer func() {
		dropped, statsErr := s.Dropped()
		stats.Dropped = dropped
		err = errors.Join(err, file.Flush(), statsErr)
	}()
	// A frame may wait in the kernel's block for as long as that may wait to be full.
	stop := context.AfterFunc(ctx, func() { s.SetReadDeadline(time.Now().Add(3 * retire)) })
	defer stop()
	var end time.Time
	for o.Count == 0 || stats.Captured < o.Count {
		if ctx.Err() != nil && end.IsZero() {
			end = time.Now()
		}
		data, info, err := s.ZeroCopyReadPacketData()
		if errors.Is(err, os.ErrDeadlineExceeded) {
			return stats, nil
		}
		if err != nil {
			return stats, err
		}
		if !end.IsZero() && info.Timestamp.After(end) {
			return stats, nil
		}
		if o.Snaplen > 0 && len(data) > o.Snaplen {
			data = data[:o.Snaplen]
			info.CaptureLength = o.Snaplen
		}
		if err := file.WritePacket(info, data); err != nil {
			return stats, err
		}
		stats.Captured++
	}
	return stats, nil
}
