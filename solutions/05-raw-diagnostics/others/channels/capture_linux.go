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
func OpenSource(iface string, filter []bpf.Instruction) (s *Source, err error) {
	i, err := net.InterfaceByName(iface)
	if err != nil {
		return nil, fmt.Errorf("there is no interface %q: %w", iface, err)
	}
	var program []unix.SockFilter
	if filter != nil {
		raw, err := bpf.Assemble(filter)
		if err != nil {
			return nil, err
		}
		for _, r := range raw {
			program = append(program, unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K})
		}
	}
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if errors.Is(err, os.ErrPermission) {
		return nil, &PrivilegeError{Raw: err}
	}
	if err != nil {
		return nil, err
	}
	if err := setFilter(fd, program); err != nil {
		return nil, errors.Join(err, unix.Close(fd))
	}
	if s, err = newSource(fd, i); err != nil {
		return nil, err
	}
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: 0x0300, Ifindex: i.Index}); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// Capture asks its context every few milliseconds, and every few hundred frames.
func Capture(ctx context.Context, iface string, w io.Writer, o CaptureOptions) (stats CaptureStats, err error) {
	s, err := OpenSource(iface, o.Filter)
	if err != nil {
		return stats, err
	}
	defer s.Close()
	file, err := pcapgo.NewNgWriterInterface(w, pcapgo.NgInterface{Name: iface, LinkType: layers.LinkTypeEthernet, SnapLength: uint32(o.Snaplen)}, pcapgo.DefaultNgWriterOptions)
	if err != nil {
		return stats, err
	}
	err = write(ctx, s, file, o, &stats.Captured)
	err = errors.Join(err, file.Flush())
	var late error
	stats.Dropped, late = s.Dropped()
	return stats, errors.Join(err, late)
}

func write(ctx context.Context, s *Source, file *pcapgo.NgWriter, o CaptureOptions, count *int) error {
	const look = 20 * time.Millisecond
	var last time.Time // frames after that are not wanted
	for *count < o.Count || o.Count == 0 {
		if last.IsZero() && ctx.Err() != nil {
			last = time.Now()
		}
		if err := s.SetReadDeadline(time.Now().Add(look)); err != nil {
			return err
		}
		data, info, err := s.ZeroCopyReadPacketData()
		switch {
		case errors.Is(err, os.ErrDeadlineExceeded) && !last.IsZero() && time.Since(last) > look:
			return nil
		case errors.Is(err, os.ErrDeadlineExceeded):
			continue
		case err != nil:
			return err
		case !last.IsZero() && info.Timestamp.After(last):
			return nil
		}
		if o.Snaplen != 0 {
			data = data[:min(o.Snaplen, len(data))]
			info.CaptureLength = len(data)
		}
		if err := file.WritePacket(info, data); err != nil {
			return err
		}
		*count++
	}
	return nil
}
