package rawdiag

import (
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"time"
	"unsafe"

	"github.com/google/gopacket"
	"golang.org/x/sys/unix"
)

// A Source gives the frames of an AF_PACKET socket, packet(7). It is what gopacket
// calls a ZeroCopyPacketDataSource.
//
// To read each frame with a call of its own costs about a microsecond, and what comes
// meanwhile needs room. So the kernel writes frames into a ring of blocks, in
// memory that it shares with this process, and hands over a block when it is full or
// has waited for retire: TPACKET_V3, Linux' Documentation/networking/packet_mmap.rst.
//
// The socket belongs to Go's poller, so that a deadline, or Close, wakes a reader.
type Source struct {
	file *os.File
	raw  syscall.RawConn
	ring []byte
	lo   bool // it is the loopback interface

	block   int // the one that is read, or will be
	held    bool
	frames  uint32 // that are left in it
	at      int    // where the next one begins
	dropped int
	failed  error // what ended the socket
}

const (
	blockSize  = 1 << 20
	blockCount = 32
	retire     = 10 * time.Millisecond
)

// newSource makes a Source of a descriptor, which belongs to it from now on,
// whatever happens. Frames come from when the socket is bound to an interface.
func newSource(fd int, iface *net.Interface) (*Source, error) {
	file := os.NewFile(uintptr(fd), "capture of "+iface.Name)
	s := &Source{file: file, lo: iface.Flags&net.FlagLoopback != 0}
	if err := s.map3(fd); err != nil {
		s.Close()
		return nil, err
	}
	var err error
	if s.raw, err = file.SyscallConn(); err != nil {
		s.Close()
		return nil, err
	}
	return s, nil
}

// map3 makes the ring and maps it.
func (s *Source) map3(fd int) error {
	if err := unix.SetsockoptInt(fd, unix.SOL_PACKET, unix.PACKET_VERSION, unix.TPACKET_V3); err != nil {
		return os.NewSyscallError("setsockopt PACKET_VERSION", err)
	}
	const frameSize = 1 << 11 // TPACKET_V3 lays frames out as it likes; it only checks that blocks hold such
	request := unix.TpacketReq3{
		Block_size: blockSize, Block_nr: blockCount, Frame_size: frameSize,
		Frame_nr: blockSize / frameSize * blockCount, Retire_blk_tov: uint32(retire.Milliseconds()),
	}
	if err := unix.SetsockoptTpacketReq3(fd, unix.SOL_PACKET, unix.PACKET_RX_RING, &request); err != nil {
		return os.NewSyscallError("setsockopt PACKET_RX_RING", err)
	}
	ring, err := unix.Mmap(fd, 0, blockSize*blockCount, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err != nil {
		return os.NewSyscallError("mmap", err)
	}
	s.ring = ring
	return nil
}

// header is the beginning of a block.
func (s *Source) header() *unix.TpacketHdrV1 {
	description := (*unix.TpacketBlockDesc)(unsafe.Pointer(&s.ring[s.block*blockSize]))
	return (*unix.TpacketHdrV1)(unsafe.Pointer(&description.Hdr[0]))
}

// ZeroCopyReadPacketData returns the next frame. It is valid until the next call. The
// time is the kernel's, in nanoseconds. At the end of the deadline the error is
// os.ErrDeadlineExceeded, and on a closed Source it is os.ErrClosed.
func (s *Source) ZeroCopyReadPacketData() ([]byte, gopacket.CaptureInfo, error) {
	for {
		for s.frames == 0 {
			if err := s.nextBlock(); err != nil {
				return nil, gopacket.CaptureInfo{}, err
			}
		}
		start := s.block*blockSize + s.at
		h := (*unix.Tpacket3Hdr)(unsafe.Pointer(&s.ring[start]))
		s.frames--
		s.at += int(h.Next_offset)
		from := (*unix.RawSockaddrLinklayer)(unsafe.Pointer(&s.ring[start+tpacketAlign(unix.SizeofTpacket3Hdr)]))
		if s.lo && from.Pkttype == unix.PACKET_OUTGOING {
			continue // it comes in as well, at once
		}
		data := s.ring[start+int(h.Mac) : start+int(h.Mac)+int(h.Snaplen)]
		return data, gopacket.CaptureInfo{
			Timestamp:     time.Unix(int64(h.Sec), int64(h.Nsec)),
			CaptureLength: int(h.Snaplen), Length: int(h.Len), InterfaceIndex: 0,
		}, nil
	}
}

// ReadPacketData is ZeroCopyReadPacketData with a frame that stays valid.
func (s *Source) ReadPacketData() ([]byte, gopacket.CaptureInfo, error) {
	data, info, err := s.ZeroCopyReadPacketData()
	return append([]byte(nil), data...), info, err
}

// nextBlock gives the block that has been read back to the kernel, and waits for the
// next.
func (s *Source) nextBlock() error {
	if s.held {
		atomic.StoreUint32(&s.header().Block_status, unix.TP_STATUS_KERNEL)
		s.block = (s.block + 1) % blockCount
		s.held = false
	}
	h := s.header()
	ready := func() bool { return atomic.LoadUint32(&h.Block_status)&unix.TP_STATUS_USER != 0 }
	if ready() { // what is there comes before the deadline, and before an error
		return s.take(h)
	}
	if s.failed != nil {
		return s.failed
	}
	if err := s.raw.Read(func(fd uintptr) bool {
		if ready() {
			return true
		}
		// The interface may have gone down: that is an error of the socket.
		errno, err := unix.GetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_ERROR)
		if err == nil && errno != 0 {
			err = syscall.Errno(errno)
		}
		s.failed = os.NewSyscallError("read from the interface", err)
		return s.failed != nil
	}); err != nil {
		return err
	}
	if s.failed != nil {
		time.Sleep(2 * retire) // until the kernel has handed over what it has
	}
	if ready() {
		return s.take(h)
	}
	return s.failed
}

// take begins to read the block.
func (s *Source) take(h *unix.TpacketHdrV1) error {
	s.held, s.frames, s.at = true, h.Num_pkts, int(h.Offset_to_first_pkt)
	return nil
}

// SetReadDeadline says until when a reader waits, also one that waits already.
func (s *Source) SetReadDeadline(t time.Time) error { return s.file.SetReadDeadline(t) }

// Dropped is how many frames the kernel had no room for so far. The kernel's own
// count, PACKET_STATISTICS in packet(7), begins again whenever it is asked.
func (s *Source) Dropped() (int, error) {
	var failed error
	err := s.raw.Control(func(fd uintptr) {
		var stats *unix.TpacketStatsV3
		if stats, failed = unix.GetsockoptTpacketStatsV3(int(fd), unix.SOL_PACKET, unix.PACKET_STATISTICS); failed == nil {
			s.dropped += int(stats.Drops)
		}
	})
	return s.dropped, errors.Join(err, failed)
}

// Close closes the socket. No frame of it is valid any more.
func (s *Source) Close() error {
	err := s.file.Close()
	if s.ring != nil {
		err = errors.Join(err, unix.Munmap(s.ring))
		s.ring = nil
	}
	return err
}

func tpacketAlign(n int) int { return (n + unix.TPACKET_ALIGNMENT - 1) &^ (unix.TPACKET_ALIGNMENT - 1) }

// setFilter makes the kernel drop what a program refuses, from now on.
func setFilter(fd int, program []unix.SockFilter) error {
	if len(program) == 0 {
		return nil
	}
	p := unix.SockFprog{Len: uint16(len(program)), Filter: &program[0]}
	if err := unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &p); err != nil {
		return os.NewSyscallError("setsockopt SO_ATTACH_FILTER", err)
	}
	return nil
}
