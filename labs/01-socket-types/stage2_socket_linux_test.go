package sockettypes_test

import (
	"errors"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	sockettypes "workbook.example/labs/01-socket-types"
	"workbook.example/tools/labtest"
)

// open calls Open and expects a socket, which is closed when the test ends.
func open(t *labtest.T, what string, family, typ, protocol int) *os.File {
	t.Helper()
	f, err := sockettypes.Open(family, typ, protocol)
	if err != nil {
		t.Broken("Open(%s) returned %s; expected a socket.", what, orNone(err))
	}
	if f == nil {
		t.Broken("Open(%s) returned neither a socket nor an error.", what)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func TestSocketIsThreeNumbers(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, s := range []struct {
		what                  string
		family, typ, protocol int
		implied               int // the protocol that it gets
	}{
		{"AF_INET, SOCK_STREAM, 0", unix.AF_INET, unix.SOCK_STREAM, 0, unix.IPPROTO_TCP},
		{"AF_INET, SOCK_DGRAM, 0", unix.AF_INET, unix.SOCK_DGRAM, 0, unix.IPPROTO_UDP},
		{"AF_INET, SOCK_STREAM, IPPROTO_TCP", unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_TCP, unix.IPPROTO_TCP},
		{"AF_UNIX, SOCK_STREAM, 0", unix.AF_UNIX, unix.SOCK_STREAM, 0, 0},
		{"AF_UNIX, SOCK_SEQPACKET, 0", unix.AF_UNIX, unix.SOCK_SEQPACKET, 0, 0},
	} {
		f := open(t, s.what, s.family, s.typ, s.protocol)
		err := descriptor(f, func(fd int) error {
			for _, number := range []struct {
				name   string
				option int
				want   int
			}{{"family", unix.SO_DOMAIN, s.family}, {"type", unix.SO_TYPE, s.typ}, {"protocol", unix.SO_PROTOCOL, s.implied}} {
				got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, number.option)
				if err != nil {
					return err
				}
				if got != number.want {
					t.Broken("Open(%s) made a socket whose %s is %d, by the kernel's word; expected %d.", s.what, number.name, got, number.want)
				}
			}
			return nil
		})
		if err != nil {
			t.Broken("Open(%s) returned something that is no open socket: %v.", s.what, err)
		}
	}
}

func TestSocketIsOpenUntilItIsClosed(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	receiver := listenUDP(t)
	f := open(t, "AF_INET, SOCK_DGRAM, 0", unix.AF_INET, unix.SOCK_DGRAM, 0)
	to := addrPort(receiver.LocalAddr())
	err := descriptor(f, func(fd int) error {
		return unix.Sendto(fd, []byte("hello"), 0, &unix.SockaddrInet4{Addr: to.Addr().As4(), Port: int(to.Port())})
	})
	if err != nil {
		t.Broken("Nothing can be sent through the socket that Open returned: %v.", err)
	}
	buf := make([]byte, 10)
	if n, err := receiver.Read(buf); err != nil || string(buf[:n]) != "hello" {
		t.Broken("What was sent through the socket that Open returned did not arrive: %q came, and %s.", buf[:n], orNone(err))
	}
	if err := f.Close(); err != nil {
		t.Broken("The caller closed the socket that Open returned, which gave %s.", orNone(err))
	}
}

func TestSocketIsNotInherited(tt *testing.T) {
	t := labtest.Begin(tt)
	f := open(t, "AF_INET, SOCK_STREAM, 0", unix.AF_INET, unix.SOCK_STREAM, 0)
	var flags int
	err := descriptor(f, func(fd int) (err error) {
		flags, err = unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0)
		return err
	})
	if err != nil {
		t.Broken("Open returned something that is no open socket: %v.", err)
	}
	if flags&unix.FD_CLOEXEC == 0 {
		t.Broken("The socket that Open returned has no FD_CLOEXEC: every program that is started from now on gets it too.")
	}
}

func TestCloseWakesWhoReads(tt *testing.T) {
	t := labtest.Begin(tt)
	f := open(t, "AF_INET, SOCK_DGRAM, 0", unix.AF_INET, unix.SOCK_DGRAM, 0)
	// An address of its own, so that there is something to wait for.
	if err := descriptor(f, func(fd int) error { return unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}) }); err != nil {
		t.Broken("The socket that Open returned cannot have an address: %v.", err)
	}
	began, woken := make(chan bool), make(chan error, 1)
	go func() {
		close(began)
		_, err := f.Read(make([]byte, 1))
		woken <- err
	}()
	<-began
	select {
	case err := <-woken:
		t.Broken("Nothing was sent to the socket, and reading from it did not wait: it gave %s.", orNone(err))
	case <-time.After(20 * time.Millisecond): // so that it does read; if it does not yet, the law holds all the same
	}
	go f.Close() // which may wait, too
	select {
	case <-woken:
	case <-time.After(labtest.Patience):
		// Wake it after all, or nothing could end.
		c, err := net.Dial("udp4", localAddress(f))
		if err == nil {
			c.Write(nil)
			c.Close()
		}
		t.Broken("Somebody read from the socket that Open returned, and Close did not wake them: they still wait 2 s later.")
	}
}

// localAddress is the IPv4 address and the port of a socket, also of one that is
// being closed.
func localAddress(f *os.File) (addr string) {
	descriptor(f, func(fd int) error {
		sa, err := unix.Getsockname(fd)
		if in, ok := sa.(*unix.SockaddrInet4); ok {
			addr = (&net.UDPAddr{IP: in.Addr[:], Port: in.Port}).String()
		}
		return err
	})
	return addr
}

func TestKernelsRefusalIsTold(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	for _, s := range []struct {
		what                  string
		family, typ, protocol int
		want                  error
	}{
		{"AF_INET, SOCK_STREAM, IPPROTO_UDP", unix.AF_INET, unix.SOCK_STREAM, unix.IPPROTO_UDP, unix.EPROTONOSUPPORT},
		{"a family that does not exist", 4711, unix.SOCK_STREAM, 0, unix.EAFNOSUPPORT},
	} {
		f, err := sockettypes.Open(s.family, s.typ, s.protocol)
		if f != nil {
			f.Close()
			t.Broken("Open(%s) returned a socket and %s; the kernel gives none.", s.what, orNone(err))
		}
		if !errors.Is(err, s.want) {
			t.Broken("Open(%s) returned %s; expected one in which errors.Is finds the kernel's, %q.", s.what, orNone(err), s.want)
		}
	}
}

// A liveSocket is one that is open until the test ends, and what is known about
// it.
type liveSocket struct {
	what        string
	c           syscall.Conn
	listens     bool
	local, peer string
}

// live are sockets of many kinds.
func live(t *labtest.T) []liveSocket {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s")
	listener, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { listener.Close() })
	datagrams, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: path + "2", Net: "unixgram"})
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { datagrams.Close() })
	nameless, err := net.DialUnix("unix", nil, listener.Addr().(*net.UnixAddr))
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { nameless.Close() })
	tcp := listenTCP(t, "127.0.0.1")
	near, far := connect(t)
	udp := listenUDP(t)
	connected := connectUDP(t, udp.LocalAddr())
	bare, bound := bareListener(t)
	return []liveSocket{
		{what: "a Go listener for TCP", c: tcp, listens: true, local: tcp.Addr().String()},
		{what: "a TCP connection that was dialled", c: near, local: near.LocalAddr().String(), peer: near.RemoteAddr().String()},
		{what: "the accepted end of it", c: far, local: far.LocalAddr().String(), peer: far.RemoteAddr().String()},
		{what: "a UDP socket", c: udp, local: udp.LocalAddr().String()},
		{what: "a connected UDP socket", c: connected, local: connected.LocalAddr().String(), peer: udp.LocalAddr().String()},
		{what: "a listener for Unix streams", c: listener, listens: true, local: path},
		{what: "a Unix stream that was dialled, and has no name", c: nameless, peer: path},
		{what: "a Unix datagram socket", c: datagrams, local: path + "2"},
		{what: "an *os.File, as Open returns one, that was bound and listens", c: bare, listens: true, local: bound},
	}
}

// bareListener is a TCP listener without package net, and its address: of Go's
// types, it is a file.
func bareListener(t *labtest.T) (f *os.File, addr string) {
	t.Helper()
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_STREAM|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		t.Fatalf("%v", err)
	}
	f = os.NewFile(uintptr(fd), "listener")
	t.Cleanup(func() { f.Close() })
	if err := errors.Join(unix.Bind(fd, &unix.SockaddrInet4{Addr: [4]byte{127, 0, 0, 1}}), unix.Listen(fd, 1)); err != nil {
		t.Fatalf("%v", err)
	}
	return f, localAddress(f)
}

// describe calls Describe and expects an answer.
func describe(t *labtest.T, what string, c syscall.Conn) sockettypes.Info {
	t.Helper()
	info, err := sockettypes.Describe(c)
	if err != nil {
		t.Broken("Describe of %s returned %s.", what, orNone(err))
	}
	return info
}

func TestKernelIsAskedAndNotTheType(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, s := range live(t) {
		info := describe(t, s.what, s.c)
		for _, number := range []struct {
			name      string
			option    int
			described int
		}{
			{"family", unix.SO_DOMAIN, info.Family},
			{"type", unix.SO_TYPE, info.Type},
			{"protocol", unix.SO_PROTOCOL, info.Protocol},
		} {
			if want := kernelSays(t, s.c, unix.SOL_SOCKET, number.option); number.described != want {
				t.Broken("Describe of %s gave the %s %d; the kernel says %d.", s.what, number.name, number.described, want)
			}
		}
	}
}

func TestListenerIsTold(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, s := range live(t) {
		info := describe(t, s.what, s.c)
		if info.Listening != s.listens {
			t.Broken("Describe of %s gave Listening %v; expected %v.", s.what, info.Listening, s.listens)
		}
	}
}

func TestBothAddressesAreTold(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, s := range live(t) {
		info := describe(t, s.what, s.c)
		if info.Local != s.local {
			t.Broken("Describe of %s gave the local address %q; expected %q.", s.what, info.Local, s.local)
		}
		if info.Peer != s.peer {
			t.Broken("Describe of %s gave the peer %q; expected %q.", s.what, info.Peer, s.peer)
		}
	}
}

func TestDescribingLeavesTheSocketAlone(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	near, far := connect(t)
	for range 3 {
		describe(t, "a TCP connection", near)
	}
	// Still a socket of Go's: a deadline ends a Read, and what is sent arrives.
	var err error
	t.Returns("Read, with a deadline, on a connection that was described,", func() {
		near.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
		_, err = near.Read(make([]byte, 1))
	})
	if !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Broken("A connection was described, and then a Read with a deadline gave %s; expected that the deadline ends it.", orNone(err))
	}
	if _, err := far.Write([]byte("x")); err != nil {
		t.Broken("A connection was described, and then its other end could not write: %v.", err)
	}
	near.SetReadDeadline(time.Now().Add(labtest.Patience))
	if _, err := near.Read(make([]byte, 1)); err != nil {
		t.Broken("A connection was described, and then nothing could be read from it: %v.", err)
	}
}

func TestWhatIsNoSocketIsNotDescribed(tt *testing.T) {
	t := labtest.Begin(tt)
	closed := listenUDP(t)
	closed.Close()
	if info, err := sockettypes.Describe(closed); !errors.Is(err, net.ErrClosed) {
		t.Broken("Describe of a socket that was closed returned %q and %s; expected one in which errors.Is finds net.ErrClosed.", info, orNone(err))
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer r.Close()
	defer w.Close()
	if info, err := sockettypes.Describe(r); !errors.Is(err, unix.ENOTSOCK) {
		t.Broken("Describe of a pipe returned %q and %s; expected one in which errors.Is finds unix.ENOTSOCK, which is what the kernel says.", info, orNone(err))
	}
}
