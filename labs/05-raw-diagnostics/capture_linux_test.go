package rawdiag_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"time"

	"github.com/google/gopacket"
	"github.com/google/gopacket/layers"
	"github.com/google/gopacket/pcapgo"
	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"

	rawdiag "workbook.example/labs/05-raw-diagnostics"
	"workbook.example/tools/labtest"
	"workbook.example/tools/netlab"
)

// This file has what it takes to capture, and something to capture.

// cable is a network of this host and another one, far. Who can open no source at all
// is told so before one is made.
func cable(t *labtest.T) *netlab.Net {
	t.Helper()
	begun(t)
	return netlab.Line(t, 0)
}

// begun breaks the law where no source can be opened.
func begun(t *labtest.T) {
	t.Helper()
	if why, _ := netlab.Forbidden(); why == "" {
		source(t, "lo", nil).Close()
	}
}

// A talk is two UDP sockets, one here and one on a node, that send to each other.
type talk struct {
	here, there net.PacketConn
}

// talkTo makes a talk with a node.
func talkTo(t *labtest.T, n *netlab.Net, node *netlab.Node) talk {
	t.Helper()
	there, err := node.ListenPacket("udp4", node.Addr4().String()+":0")
	if err != nil {
		t.Fatalf("%v", err)
	}
	here, err := net.ListenPacket("udp4", "0.0.0.0:0")
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { here.Close(); there.Close() })
	return talk{here, there}
}

// port is the port there.
func (k talk) port() uint16 { return uint16(k.there.LocalAddr().(*net.UDPAddr).Port) }

// say sends from here, and returns when it has arrived there.
func (k talk) say(t *labtest.T, data string) (arrived time.Time) {
	t.Helper()
	if _, err := k.here.WriteTo([]byte(data), k.there.LocalAddr()); err != nil {
		t.Fatalf("%v", err)
	}
	return k.hear(t, k.there, data)
}

// answer sends from there to an address here, and returns when it has arrived.
func (k talk) answer(t *labtest.T, to net.IP, data string) time.Time {
	t.Helper()
	addr := &net.UDPAddr{IP: to, Port: k.here.LocalAddr().(*net.UDPAddr).Port}
	if _, err := k.there.WriteTo([]byte(data), addr); err != nil {
		t.Fatalf("%v", err)
	}
	return k.hear(t, k.here, data)
}

func (k talk) hear(t *labtest.T, c net.PacketConn, data string) time.Time {
	t.Helper()
	c.SetReadDeadline(time.Now().Add(labtest.Patience))
	buf := make([]byte, 64<<10)
	for {
		n, _, err := c.ReadFrom(buf)
		if err != nil {
			t.Fatalf("a datagram of the test did not arrive: %v", err)
		}
		if string(buf[:n]) == data {
			return time.Now()
		}
	}
}

// source opens a Source, which must succeed, and closes it at the end.
func source(t *labtest.T, iface string, filter []bpf.Instruction) *rawdiag.Source {
	t.Helper()
	var s *rawdiag.Source
	var err error
	t.Returns("OpenSource", func() { s, err = rawdiag.OpenSource(iface, filter) })
	if err != nil {
		t.Broken("OpenSource, of the interface %s, returned %s.", iface, orNone(err))
	}
	if s == nil {
		t.Broken("OpenSource returned neither a source nor an error.")
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// datagram is the data of a UDP datagram in a frame, and ok false if it is none.
func datagram(frame []byte) (data string, port uint16, ok bool) {
	p := gopacket.NewPacket(frame, layers.LinkTypeEthernet, gopacket.DecodeOptions{NoCopy: true})
	u, ok := p.Layer(layers.LayerTypeUDP).(*layers.UDP)
	if !ok {
		return "", 0, false
	}
	return string(u.Payload), uint16(u.DstPort), true
}

// onlyPort is a ready filter: UDP over IPv4 without options, to a port.
func onlyPort(port uint16) []bpf.Instruction {
	return []bpf.Instruction{
		bpf.LoadAbsolute{Off: 12, Size: 2}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 0x0800, SkipFalse: 5},
		bpf.LoadAbsolute{Off: 23, Size: 1}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: 17, SkipFalse: 3},
		bpf.LoadAbsolute{Off: 36, Size: 2}, bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(port), SkipFalse: 1},
		bpf.RetConstant{Val: 1 << 18},
		bpf.RetConstant{Val: 0},
	}
}

// A capturing is a Capture that runs.
type capturing struct {
	stop  context.CancelFunc
	ended chan struct{}
	stats rawdiag.CaptureStats
	err   error
	file  *file
}

// A file is what a Capture writes to. It can be held up, and it can fail.
type file struct {
	mu    sync.Mutex
	buf   bytes.Buffer
	held  chan struct{} // Write waits until it is closed
	most  int           // bytes that it takes, if it is not 0
	cause error
	sink  bool // it keeps nothing
}

func (f *file) Write(b []byte) (int, error) {
	if f.held != nil {
		<-f.held
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.most > 0 && f.buf.Len()+len(b) > f.most {
		return 0, f.cause
	}
	if f.sink {
		return len(b), nil
	}
	return f.buf.Write(b)
}

// size is how many bytes it has.
func (f *file) size() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.buf.Len()
}

// capture starts a Capture and returns when the kernel gives it frames.
func capture(t *labtest.T, iface string, f *file, o rawdiag.CaptureOptions) *capturing {
	t.Helper()
	ctx, stop := context.WithCancel(context.Background())
	c := &capturing{stop: stop, ended: make(chan struct{}), file: f}
	before := netlab.Captures()
	go func() {
		defer close(c.ended)
		c.stats, c.err = rawdiag.Capture(ctx, iface, f, o)
	}()
	t.Cleanup(func() { stop(); <-c.ended })
	t.Eventually("That Capture opens a packet socket", func() bool {
		select {
		case <-c.ended:
			return true
		default:
			return netlab.Captures() > before
		}
	})
	select {
	case <-c.ended:
		t.Broken("Capture, of the interface %s, returned %s, before anything was sent.", iface, orNone(c.err))
	default:
	}
	return c
}

// end ends a Capture, which must return soon.
func (c *capturing) end(t *labtest.T, what string) {
	t.Helper()
	c.stop()
	c.wait(t, what)
}

func (c *capturing) wait(t *labtest.T, what string) { c.waitFor(t, what, labtest.Patience) }

// waitFor waits for a Capture that has so much to write that it takes a while.
func (c *capturing) waitFor(t *labtest.T, what string, patience time.Duration) {
	t.Helper()
	select {
	case <-c.ended:
	case <-time.After(patience):
		t.Broken("%s, and Capture had not returned %v later.", what, patience)
	}
}

// A captured is a packet of a file.
type captured struct {
	gopacket.CaptureInfo
	data []byte
}

// packets reads the file of a Capture that has ended.
func (c *capturing) packets(t *labtest.T, what string) (all []captured) {
	t.Helper()
	text := c.file.buf.Bytes()
	r, err := pcapgo.NewNgReader(bytes.NewReader(text), pcapgo.DefaultNgReaderOptions)
	if err != nil {
		t.Broken("%s. The file of %d bytes that Capture wrote cannot be opened as pcapng: %v.", what, len(text), err)
	}
	if r.LinkType() != layers.LinkTypeEthernet {
		t.Broken("%s. The file that Capture wrote says that its frames are of type %v; expected Ethernet.", what, r.LinkType())
	}
	for {
		data, info, err := r.ReadPacketData()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Broken("%s. The file that Capture wrote is broken after %d packets: %v.", what, len(all), err)
		}
		all = append(all, captured{info, data})
	}
}

// down takes an interface of this namespace down.
func down(t *labtest.T, iface string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer unix.Close(fd)
	request, err := unix.NewIfreq(iface)
	if err != nil {
		t.Fatalf("%v", err)
	}
	request.SetUint16(0)
	if err := unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, request); err != nil {
		t.Fatalf("%v", fmt.Errorf("%s down: %w", iface, err))
	}
}
