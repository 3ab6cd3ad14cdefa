package sockettypes_test

import (
	"errors"
	"net"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	sockettypes "workbook.example/labs/01-socket-types"
	"workbook.example/tools/labtest"
)

func TestOptionIsWhatTheKernelHas(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	near, _ := connect(t)
	udp := listenUDP(t)
	for _, o := range []struct {
		name   string
		c      syscall.Conn
		level  int
		option int
	}{
		{"TCP_NODELAY of a connection that Go dialled", near, unix.IPPROTO_TCP, unix.TCP_NODELAY},
		{"SO_KEEPALIVE of it", near, unix.SOL_SOCKET, unix.SO_KEEPALIVE},
		{"TCP_KEEPIDLE of it", near, unix.IPPROTO_TCP, unix.TCP_KEEPIDLE},
		{"SO_RCVBUF of a UDP socket", udp, unix.SOL_SOCKET, unix.SO_RCVBUF},
		{"SO_BROADCAST of it", udp, unix.SOL_SOCKET, unix.SO_BROADCAST},
		{"IP_TTL of it", udp, unix.IPPROTO_IP, unix.IP_TTL},
	} {
		got, err := sockettypes.GetInt(o.c, o.level, o.option)
		if err != nil {
			t.Broken("GetInt of %s returned %s.", o.name, orNone(err))
		}
		if want := kernelSays(t, o.c, o.level, o.option); got != want {
			t.Broken("GetInt of %s returned %d; the kernel says %d.", o.name, got, want)
		}
	}
}

func TestOptionThatIsSetIsSet(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	near, _ := connect(t)
	for _, o := range []struct {
		name   string
		level  int
		option int
		value  int
	}{
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 0},
		{"TCP_NODELAY", unix.IPPROTO_TCP, unix.TCP_NODELAY, 1},
		{"SO_KEEPALIVE", unix.SOL_SOCKET, unix.SO_KEEPALIVE, 0},
		{"TCP_KEEPCNT", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, 3},
		{"IP_TTL", unix.IPPROTO_IP, unix.IP_TTL, 7},
	} {
		if err := sockettypes.SetInt(near, o.level, o.option, o.value); err != nil {
			t.Broken("SetInt of %s to %d returned %s.", o.name, o.value, orNone(err))
		}
		if got := kernelSays(t, near, o.level, o.option); got != o.value {
			t.Broken("SetInt set %s to %d without an error; the kernel says %d.", o.name, o.value, got)
		}
	}
}

func TestOptionHasItsEffect(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	c := listenUDP(t)
	everybody := &net.UDPAddr{IP: net.IPv4(127, 255, 255, 255), Port: addrPortOf(c)}
	for _, on := range []int{0, 1} {
		if err := sockettypes.SetInt(c, unix.SOL_SOCKET, unix.SO_BROADCAST, on); err != nil {
			t.Broken("SetInt of SO_BROADCAST to %d returned %s.", on, orNone(err))
		}
		_, err := c.WriteTo([]byte("anybody there?"), everybody)
		switch {
		case on == 0 && !errors.Is(err, unix.EACCES):
			t.Broken("SO_BROADCAST was set to 0, and sending to a broadcast address gave %s; expected %q.", orNone(err), unix.EACCES)
		case on == 1 && err != nil:
			t.Broken("SO_BROADCAST was set to 1, and sending to a broadcast address gave %s.", orNone(err))
		}
	}
}

func addrPortOf(c *net.UDPConn) int { return c.LocalAddr().(*net.UDPAddr).Port }

func TestKernelsErrorIsNotLost(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	c := listenUDP(t)
	const noSuch = 4711
	if value, err := sockettypes.GetInt(c, unix.SOL_SOCKET, noSuch); !errors.Is(err, unix.ENOPROTOOPT) {
		t.Broken("The kernel has no option %d. GetInt of it returned %d and %s; expected one in which errors.Is finds unix.ENOPROTOOPT.", noSuch, value, orNone(err))
	}
	if err := sockettypes.SetInt(c, unix.SOL_SOCKET, noSuch, 1); !errors.Is(err, unix.ENOPROTOOPT) {
		t.Broken("The kernel has no option %d. SetInt of it returned %s; expected one in which errors.Is finds unix.ENOPROTOOPT.", noSuch, orNone(err))
	}
	// UDP does not know Nagle's algorithm.
	if err := sockettypes.SetInt(c, unix.IPPROTO_TCP, unix.TCP_NODELAY, 1); err == nil {
		t.Broken("SetInt of TCP_NODELAY on a UDP socket returned no error; the kernel refuses it.")
	}
}

func TestClosedSocketHasNoOptions(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	c := listenUDP(t)
	c.Close()
	_, errGet := sockettypes.GetInt(c, unix.SOL_SOCKET, unix.SO_RCVBUF)
	errSet := sockettypes.SetInt(c, unix.SOL_SOCKET, unix.SO_RCVBUF, 4096)
	_, errBuffer := sockettypes.SetBuffer(c, sockettypes.Receive, 4096)
	for _, call := range []struct {
		what string
		err  error
	}{{"GetInt", errGet}, {"SetInt", errSet}, {"SetBuffer", errBuffer}} {
		if !errors.Is(call.err, net.ErrClosed) {
			t.Broken("%s on a socket that was closed returned %s; expected one in which errors.Is finds net.ErrClosed.", call.what, orNone(call.err))
		}
	}
}

// buffers are the options of the two buffers of a socket, by their directions.
var buffers = [...]int{sockettypes.Receive: unix.SO_RCVBUF, sockettypes.Send: unix.SO_SNDBUF}

func TestBufferHasItsEffectiveSize(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	near, _ := connect(t)
	udp := listenUDP(t)
	for _, size := range []int{16 << 10, 64 << 10, 1, 100 << 20} {
		for i, option := range buffers {
			direction := sockettypes.Direction(i)
			for _, s := range []liveSocket{{what: "a TCP connection", c: near}, {what: "a UDP socket", c: udp}} {
				got, err := sockettypes.SetBuffer(s.c, direction, size)
				if err != nil {
					t.Broken("SetBuffer of the %s buffer of %s to %d bytes returned %s.", direction, s.what, size, orNone(err))
				}
				if want := kernelSays(t, s.c, unix.SOL_SOCKET, option); got != want {
					t.Broken("SetBuffer of the %s buffer of %s to %d %s returned %d; the kernel says %d%s.", direction, s.what, size, plural(size), got, want, because(size))
				}
			}
		}
	}
}

func plural(bytes int) string {
	if bytes == 1 {
		return "byte"
	}
	return "bytes"
}

// because is why the kernel made something else of a size.
func because(size int) string {
	switch {
	case size == 1:
		return ", the smallest buffer that it makes"
	case size > 10<<20:
		return ", twice the limit of the administrator"
	default:
		return ", twice what was asked for"
	}
}

func TestBufferIsReallySet(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	for i, option := range buffers {
		c, direction := listenUDP(t), sockettypes.Direction(i)
		other := buffers[1-i]
		before := kernelSays(t, c, unix.SOL_SOCKET, other)
		const size = 16 << 10 // of which the kernel makes 32 KiB; it never makes less of it
		if _, err := sockettypes.SetBuffer(c, direction, size); err != nil {
			t.Broken("SetBuffer of the %s buffer to %d bytes returned %s.", direction, size, orNone(err))
		}
		if got := kernelSays(t, c, unix.SOL_SOCKET, option); got != 2*size {
			t.Broken("SetBuffer asked for a %s buffer of %d bytes, and the kernel has one of %d; Linux makes %d of it.", direction, size, got, 2*size)
		}
		if after := kernelSays(t, c, unix.SOL_SOCKET, other); after != before {
			t.Broken("SetBuffer of the %s buffer changed the other one, too: from %d to %d bytes.", direction, before, after)
		}
	}
}
