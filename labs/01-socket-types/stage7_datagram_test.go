package sockettypes_test

import (
	"bytes"
	"errors"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	sockettypes "workbook.example/labs/01-socket-types"
	"workbook.example/tools/labtest"
)

// read calls ReadDatagram and expects a datagram.
func read(t *labtest.T, c *net.UDPConn, buf []byte, what string) sockettypes.Datagram {
	t.Helper()
	var d sockettypes.Datagram
	t.Returns("ReadDatagram", func() {
		var err error
		if d, err = sockettypes.ReadDatagram(c, buf); err != nil {
			t.Broken("%s was sent, and ReadDatagram returned %s.", what, orNone(err))
		}
	})
	return d
}

func TestDatagramIsOneMessage(tt *testing.T) {
	t := labtest.Begin(tt)
	alice, bob := listenUDP(t), listenUDP(t)
	sent := []string{"one", "two, which is longer", "3"}
	for _, text := range sent {
		alice.WriteTo([]byte(text), bob.LocalAddr())
	}
	for i, text := range sent {
		d := read(t, bob, make([]byte, 24), "A datagram")
		if string(d.Payload) != text {
			t.Broken("Datagram %d was %q, and ReadDatagram returned the payload %q.", i+1, text, d.Payload)
		}
		if d.Truncated {
			t.Broken("A datagram of %d bytes came into a buffer of 24, and ReadDatagram said that it was truncated.", len(text))
		}
	}
}

func TestCutDatagramIsTold(tt *testing.T) {
	t := labtest.Begin(tt)
	alice, bob := listenUDP(t), listenUDP(t)
	for _, size := range []int{9, 10, 11, 100} {
		payload := bytes.Repeat([]byte("x"), size)
		alice.WriteTo(payload, bob.LocalAddr())
		d := read(t, bob, make([]byte, 10), "A datagram")
		if want := min(size, 10); len(d.Payload) != want {
			t.Broken("A datagram of %d bytes came into a buffer of 10, and the payload was of %d bytes; expected %d.", size, len(d.Payload), want)
		}
		if want := size > 10; d.Truncated != want {
			t.Broken("A datagram of %d bytes came into a buffer of 10, and ReadDatagram returned Truncated %v; expected %v.", size, d.Truncated, want)
		}
	}
}

func TestSenderIsKnown(tt *testing.T) {
	t := labtest.Begin(tt)
	alice, bob := listenUDP(t), listenUDP(t)
	alice.WriteTo([]byte("hi"), bob.LocalAddr())
	if d := read(t, bob, make([]byte, 10), "A datagram"); d.From != addrPort(alice.LocalAddr()) {
		t.Broken("A datagram came from %v, and ReadDatagram returned %v.", alice.LocalAddr(), d.From)
	}
	// A socket for both families writes IPv4 addresses in IPv6's clothes.
	both, err := net.ListenUDP("udp", nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { both.Close() })
	deadlined(both)
	alice.WriteTo([]byte("hi"), &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(addrPort(both.LocalAddr()).Port())})
	d := read(t, both, make([]byte, 10), "A datagram")
	if want := addrPort(alice.LocalAddr()); d.From != want {
		t.Broken("A socket for IPv4 and IPv6 received a datagram from %v, and ReadDatagram returned %v; expected the same address as anywhere else.", want, d.From)
	}
	if err := sockettypes.SendDatagram(both, []byte("hi yourself"), d.From); err != nil {
		t.Broken("The answer to %v could not be sent: %v.", d.From, err)
	}
	if d := read(t, alice, make([]byte, 20), "An answer"); string(d.Payload) != "hi yourself" {
		t.Broken("The answer was %q, and %q arrived.", "hi yourself", d.Payload)
	}
}

func TestEmptyDatagramIsADatagram(tt *testing.T) {
	t := labtest.Begin(tt)
	alice, bob := listenUDP(t), listenUDP(t)
	if err := sockettypes.SendDatagram(alice, nil, addrPort(bob.LocalAddr())); err != nil {
		t.Broken("SendDatagram of an empty datagram returned %s.", orNone(err))
	}
	expectEmpty(t, bob, "SendDatagram of no bytes")
	alice.WriteTo(nil, bob.LocalAddr())
	d := read(t, bob, make([]byte, 10), "An empty datagram")
	if len(d.Payload) != 0 || d.Truncated || d.From != addrPort(alice.LocalAddr()) {
		t.Broken("An empty datagram came from %v, and ReadDatagram returned the payload %q from %v, Truncated %v.", alice.LocalAddr(), d.Payload, d.From, d.Truncated)
	}
	connected := connectUDP(t, bob.LocalAddr())
	if err := sockettypes.SendDatagram(connected, []byte{}, netip.AddrPort{}); err != nil {
		t.Broken("SendDatagram of an empty datagram on a connected socket returned %s.", orNone(err))
	}
	expectEmpty(t, bob, "SendDatagram of no bytes on a connected socket")
}

// expectEmpty reads, by the test itself, a datagram without a byte.
func expectEmpty(t *labtest.T, c *net.UDPConn, sent string) {
	t.Helper()
	n, _, err := c.ReadFromUDPAddrPort(make([]byte, 10))
	if err != nil {
		t.Broken("%s returned no error, and nothing arrived within 2 s.", sent)
	}
	if n > 0 {
		t.Broken("%s returned no error, and a datagram of %d bytes arrived.", sent, n)
	}
}

func TestConnectedSocketNeedsNoAddress(tt *testing.T) {
	t := labtest.Begin(tt)
	bob := listenUDP(t)
	alice := connectUDP(t, bob.LocalAddr())
	if err := sockettypes.SendDatagram(alice, []byte("hi"), netip.AddrPort{}); err != nil {
		t.Broken("SendDatagram on a connected socket returned %s.", orNone(err))
	}
	if d := read(t, bob, make([]byte, 10), "A datagram"); string(d.Payload) != "hi" {
		t.Broken("The datagram was %q, and %q arrived.", "hi", d.Payload)
	}
	if err := sockettypes.SendDatagram(listenUDP(t), []byte("hi"), netip.AddrPort{}); err == nil {
		t.Broken("SendDatagram to no address, on a socket that is not connected, returned no error: to whom did it send?")
	}
}

func TestTooLongDatagramIsNotSent(tt *testing.T) {
	t := labtest.Begin(tt)
	posix(t)
	alice, bob := listenUDP(t), listenUDP(t)
	to := addrPort(bob.LocalAddr())
	const most = 65507 // 65535 less 20 bytes of IPv4 header and 8 of UDP's
	if err := sockettypes.SendDatagram(alice, make([]byte, most+1), to); !errors.Is(err, syscall.EMSGSIZE) {
		t.Broken("SendDatagram of %d bytes returned %s; expected one in which errors.Is finds EMSGSIZE.", most+1, orNone(err))
	}
	if err := sockettypes.SendDatagram(alice, make([]byte, most), to); err != nil {
		t.Skipf("This system sends no datagram of %d bytes: %v.", most, err)
	}
	if d := read(t, bob, make([]byte, 1<<16), "A datagram of 65507 bytes"); len(d.Payload) != most {
		t.Broken("Datagrams of %d and %d bytes were sent, the first of which is too long for UDP. One of %d bytes arrived; expected the second one, whole.", most+1, most, len(d.Payload))
	}
}

// A delivery collects what ReceiveAll delivers.
type delivery struct {
	came chan string
	end  chan error
}

// receiveAll calls ReceiveAll in a goroutine.
func receiveAll(c *net.UDPConn) delivery {
	d := delivery{make(chan string, 100), make(chan error, 1)}
	go func() {
		d.end <- sockettypes.ReceiveAll(c, make([]byte, 100), func(dg sockettypes.Datagram) { d.came <- string(dg.Payload) })
	}()
	return d
}

// expect waits for the next datagrams.
func (d delivery) expect(t *labtest.T, want ...string) {
	t.Helper()
	for i, text := range want {
		select {
		case got := <-d.came:
			if got != text {
				t.Broken("The datagrams %s were sent. ReceiveAll delivered %q as number %d.", quoted(want), got, i+1)
			}
		case err := <-d.end:
			t.Broken("The datagrams %s were sent. ReceiveAll returned before number %d, with %s.", quoted(want), i+1, orNone(err))
		case <-time.After(labtest.Patience):
			t.Broken("The datagrams %s were sent. ReceiveAll has not delivered number %d within 2 s.", quoted(want), i+1)
		}
	}
}

func quoted(texts []string) string {
	texts = slices.Clone(texts)
	for i := range texts {
		texts[i] = `"` + texts[i] + `"`
	}
	return strings.Join(texts, ", ")
}

// ends waits for the end of ReceiveAll.
func (d delivery) ends(t *labtest.T, why string) error {
	t.Helper()
	select {
	case err := <-d.end:
		return err
	case <-time.After(labtest.Patience):
		t.Broken("%s, and ReceiveAll has not returned within 2 s.", why)
		return nil
	}
}

func TestEmptyDatagramIsNotTheEnd(tt *testing.T) {
	t := labtest.Begin(tt)
	alice, bob := listenUDP(t), listenUDP(t)
	d := receiveAll(bob)
	sent := []string{"first", "", "after the empty one", "", ""}
	for _, text := range sent {
		alice.WriteTo([]byte(text), bob.LocalAddr())
	}
	d.expect(t, sent...)
	bob.Close()
	d.ends(t, "The socket was closed")
}

func TestReceivingEndsWithTheSocket(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	alice, bob := listenUDP(t), listenUDP(t)
	d := receiveAll(bob)
	alice.WriteTo([]byte("hello"), bob.LocalAddr())
	d.expect(t, "hello")
	bob.Close()
	if err := d.ends(t, "The socket was closed"); !errors.Is(err, net.ErrClosed) {
		t.Broken("The socket was closed, and ReceiveAll returned %s; expected one in which errors.Is finds net.ErrClosed.", orNone(err))
	}
	late := listenUDP(t)
	late.SetReadDeadline(time.Now().Add(time.Millisecond))
	if err := receiveAll(late).ends(t, "The read deadline of the socket has passed"); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Broken("The read deadline of the socket has passed, and ReceiveAll returned %s; expected one in which errors.Is finds os.ErrDeadlineExceeded.", orNone(err))
	}
}
