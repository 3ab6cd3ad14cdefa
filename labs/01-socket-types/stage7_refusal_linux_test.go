package sockettypes_test

import (
	"context"
	"encoding/binary"
	"net"
	"net/netip"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
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

func TestReceivingSurvivesEveryRefusal(tt *testing.T) {
	t := labtest.Begin(tt)
	bob := absent(t)
	alice := connectUDP(t, bob.holder.LocalAddr())
	d := receiveAll(alice)
	const refused = 5
	for i := range refused {
		alice.Write([]byte("is anybody there?")) // or it gives the error of the one before
		// The refusal is there when Write returns, or a moment later, and
		// ReceiveAll takes it, unless it has returned.
		t.Eventually("That ReceiveAll takes the refusal", func() bool { return len(d.end) > 0 || !refusalWaits(alice) })
		select {
		case err := <-d.end:
			t.Broken("Nobody was there, and of %d datagrams that were sent while ReceiveAll waited each was refused. After %d of them it returned %s; expected that it goes on.", refused, i+1, orNone(err))
		default:
		}
	}
	there := bob.appears(t)
	there.WriteTo([]byte("yes, now"), alice.LocalAddr())
	select {
	case err := <-d.end:
		t.Broken("Of %d datagrams, sent while ReceiveAll waited, each was refused, and it returned %s. Then somebody was there and sent %q, which nobody received.", refused, orNone(err), "yes, now")
	case got := <-d.came:
		if got != "yes, now" {
			t.Broken("The datagram %q was sent, and ReceiveAll delivered %q.", "yes, now", got)
		}
	case <-time.After(labtest.Patience):
		t.Broken("Of %d datagrams, sent while ReceiveAll waited, each was refused. Then somebody was there and sent %q, which ReceiveAll has not delivered within 2 s.", refused, "yes, now")
	}
	alice.SetReadDeadline(past)
	d.ends(t, "The read deadline of the socket has passed")
}

// An outcome is what became of SendDatagram after an error that is no refusal.
type outcome struct {
	Failed  string // why it could not be tried
	Err     string // what SendDatagram returned
	Arrived string // what came to the other end
}

func init() { parts["send after an error"] = playSendAfterAnError }

// playSendAfterAnError says to a connected socket, in the name of a router on
// its way, that an earlier datagram was not let through (RFC 1812, 5.2.7.1), and
// sends another. It takes a raw socket.
func playSendAfterAnError() any {
	o := outcome{}
	here := net.IPv4(127, 0, 0, 1)
	bob, err := net.ListenUDP("udp4", &net.UDPAddr{IP: here})
	if err != nil {
		return outcome{Failed: err.Error()}
	}
	alice, err := net.DialUDP("udp4", nil, bob.LocalAddr().(*net.UDPAddr))
	if err != nil {
		return outcome{Failed: err.Error()}
	}
	router, err := net.ListenPacket("ip4:icmp", here.String())
	if err != nil {
		return outcome{Failed: err.Error()}
	}
	ports := func(from, to net.Addr) []byte {
		udp := binary.BigEndian.AppendUint16(nil, addrPort(from).Port())
		udp = binary.BigEndian.AppendUint16(udp, addrPort(to).Port())
		return append(udp, 0, 8, 0, 0) // length and checksum
	}
	header, err := (&ipv4.Header{Version: 4, Len: 20, TotalLen: 28, TTL: 1, Protocol: unix.IPPROTO_UDP, Src: here, Dst: here}).Marshal()
	if err != nil {
		return outcome{Failed: err.Error()}
	}
	const filtered = 13 // communication administratively prohibited
	message, err := (&icmp.Message{Type: ipv4.ICMPTypeDestinationUnreachable, Code: filtered,
		Body: &icmp.DstUnreach{Data: append(header, ports(alice.LocalAddr(), bob.LocalAddr())...)}}).Marshal(nil)
	if err != nil {
		return outcome{Failed: err.Error()}
	}
	if _, err := router.WriteTo(message, &net.IPAddr{IP: here}); err != nil {
		return outcome{Failed: err.Error()}
	}
	for limit := time.Now().Add(time.Second); !refusalWaits(alice); time.Sleep(time.Millisecond) {
		if time.Now().After(limit) {
			return outcome{Failed: "the kernel does not report the error"}
		}
	}
	o.Err = word(sockettypes.SendDatagram(alice, []byte("now?"), netip.AddrPort{}))
	bob.SetReadDeadline(soon())
	buf := make([]byte, 100)
	if n, err := bob.Read(buf); err == nil {
		o.Arrived = string(buf[:n])
	}
	return o
}

func TestOnlyARefusalIsForgiven(tt *testing.T) {
	t := labtest.Begin(tt)
	var o outcome
	in(t, allButPing, "send after an error", &o)
	if o.Failed != "" {
		t.NotRun("A message of a router could not be made here: "+o.Failed+".", "make test-lab 1 STAGE=7")
	}
	const what = "A router has reported that it lets nothing through (%q). Then SendDatagram of %q was called"
	if o.Err == "" && o.Arrived != "" {
		t.Broken(what+": it returned no error, since it sent a second time; only a refusal (ECONNREFUSED) is a reason for that.", unix.EHOSTUNREACH, "now?")
	}
	if o.Err == "" {
		t.Broken(what+": it returned no error, and nothing arrived.", unix.EHOSTUNREACH, "now?")
	}
	if o.Arrived != "" {
		t.Broken(what+": it returned the error %q, and %q arrived all the same.", unix.EHOSTUNREACH, "now?", o.Err, o.Arrived)
	}
}
