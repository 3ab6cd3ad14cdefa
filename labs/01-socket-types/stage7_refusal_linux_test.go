package sockettypes_test

import (
	"context"
	"net"
	"net/netip"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	sockettypes "workbook.example/labs/01-socket-types"
	"workbook.example/tools/labtest"
)

// An absentee has a UDP port on which nobody receives, until somebody appears.
// Nobody else can have the port meanwhile.
type absentee struct{ holder *net.UDPConn }

// absent makes an absentee. Its port is held by a socket that is connected to
// somebody else: what comes from others is refused by the kernel.
func absent(t *labtest.T) absentee {
	t.Helper()
	other := listenUDP(t)
	dialer := net.Dialer{LocalAddr: &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)}, Control: shareAddress}
	c, err := dialer.Dial("udp4", other.LocalAddr().String())
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { c.Close() })
	return absentee{c.(*net.UDPConn)}
}

func shareAddress(_, _ string, raw syscall.RawConn) error {
	var inner error
	err := raw.Control(func(fd uintptr) { inner = unix.SetsockoptInt(int(fd), unix.SOL_SOCKET, unix.SO_REUSEADDR, 1) })
	if err != nil {
		return err
	}
	return inner
}

// appears returns a socket that receives on the port from now on.
func (a absentee) appears(t *labtest.T) *net.UDPConn {
	t.Helper()
	config := net.ListenConfig{Control: shareAddress}
	c, err := config.ListenPacket(context.Background(), "udp4", a.holder.LocalAddr().String())
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { c.Close() })
	deadlined(c.(*net.UDPConn))
	return c.(*net.UDPConn)
}

func TestRefusalIsAboutAnEarlierDatagram(tt *testing.T) {
	t := labtest.Begin(tt)
	bob := absent(t)
	alice := connectUDP(t, bob.holder.LocalAddr())
	if err := sockettypes.SendDatagram(alice, []byte("is anybody there?"), netip.AddrPort{}); err != nil {
		t.Broken("Nobody receives yet, and SendDatagram of the first datagram returned %s; it cannot know.", orNone(err))
	}
	awaitRefusal(t, alice)
	there := bob.appears(t)
	if err := sockettypes.SendDatagram(alice, []byte("now?"), netip.AddrPort{}); err != nil {
		t.Broken("The first datagram was refused. Then somebody was there, and SendDatagram of a second one returned %s, though nothing was wrong with it.", orNone(err))
	}
	buf := make([]byte, 100)
	n, err := there.Read(buf)
	if err != nil {
		t.Broken("The first datagram was refused. Then somebody was there; SendDatagram of a second one returned no error, and it did not arrive.")
	}
	if string(buf[:n]) != "now?" {
		t.Broken("The first datagram was refused. Then somebody was there, a second one was sent, %q, and %q arrived.", "now?", buf[:n])
	}
	there.SetReadDeadline(soon())
	if n, err := there.Read(buf); err == nil {
		t.Broken("One datagram was sent to somebody who was there, and after it %q came, too.", buf[:n])
	}
}

func TestReceivingSurvivesARefusal(tt *testing.T) {
	t := labtest.Begin(tt)
	bob := absent(t)
	alice := connectUDP(t, bob.holder.LocalAddr())
	for range 2 {
		alice.Write([]byte("is anybody there?"))
		awaitRefusal(t, alice)
		d := receiveAll(alice)
		there := bob.appears(t)
		there.WriteTo([]byte("yes, now"), alice.LocalAddr())
		select {
		case err := <-d.end:
			t.Broken("A datagram was refused, because nobody was there. Then somebody was, and sent %q; but ReceiveAll had returned with %s.", "yes, now", orNone(err))
		case got := <-d.came:
			if got != "yes, now" {
				t.Broken("The datagram %q was sent, and ReceiveAll delivered %q.", "yes, now", got)
			}
		}
		there.Close()
		alice.SetReadDeadline(past)
		d.ends(t, "The read deadline of the socket has passed")
		deadlined(alice)
	}
}
