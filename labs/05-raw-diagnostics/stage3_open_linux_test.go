package rawdiag_test

import (
	"errors"
	"net/netip"
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/net/icmp"

	rawdiag "workbook.example/labs/05-raw-diagnostics"
	"workbook.example/tools/labtest"
	"workbook.example/tools/netlab"
)

// open opens a socket on a node, which must succeed, and closes it at the end.
func open(t *labtest.T, node *netlab.Node, p rawdiag.Protocol, m rawdiag.Mode) *rawdiag.Socket {
	t.Helper()
	var s *rawdiag.Socket
	var err error
	t.Returns("Open", func() {
		node.Do(func() error { s, err = rawdiag.Open(p, m); return nil })
	})
	if err != nil {
		t.Broken("Where it is allowed, Open of %s returned %s.", modeNames[m], orNone(err))
	}
	if s == nil {
		t.Broken("Open returned neither a socket nor an error.")
	}
	t.Cleanup(func() { s.Close() })
	return s
}

var modeNames = map[rawdiag.Mode]string{
	rawdiag.Auto: "a socket of either kind", rawdiag.PingOnly: "a ping socket", rawdiag.RawOnly: "a raw socket",
}

// allowPing lets everybody on a node open ping sockets. In a namespace that is new
// nobody may.
func allowPing(t *labtest.T, node *netlab.Node) {
	t.Helper()
	if err := node.Sysctl("net.ipv4.ping_group_range", "0 0"); err != nil {
		t.NotRun("This kernel does not let a namespace allow ping sockets: "+err.Error()+".", "a kernel from 3.0 on, with ping sockets")
	}
}

// send sends an echo request, which must succeed.
func send(t *labtest.T, s *rawdiag.Socket, p rawdiag.Protocol, to netip.Addr, id, seq uint16, data string) {
	t.Helper()
	err := s.Send(rawdiag.Probe{Dst: to, Protocol: p, Payload: rawdiag.AppendEcho(nil, p, id, seq, []byte(data))})
	if err != nil {
		t.Broken("An echo request could not be sent through the %v that Open returned: %v.", s, err)
	}
}

// next is the next message that comes out of a socket.
func next(t *labtest.T, s *rawdiag.Socket, p rawdiag.Protocol, waited string) (rawdiag.Arrival, rawdiag.Message) {
	t.Helper()
	s.SetReadDeadline(time.Now().Add(labtest.Patience))
	a, err := s.Receive()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		t.Broken("%s, and nothing came out of the %v that Open returned within 2 s.", waited, s)
	}
	if err != nil {
		t.Broken("%s, and Receive, on the %v that Open returned, failed: %v.", waited, s, err)
	}
	m, err := rawdiag.ParseMessage(p, a.Message)
	if err != nil {
		t.Broken("%s. Out of the %v came %s, which ParseMessage refuses: %v.", waited, s, hexed(a.Message), err)
	}
	return a, m
}

// loopback is the address of a node for itself.
func loopback(p rawdiag.Protocol) netip.Addr {
	if p == rawdiag.ICMPv6 {
		return netip.IPv6Loopback()
	}
	return netip.AddrFrom4([4]byte{127, 0, 0, 1})
}

func TestPingSocketComesFirst(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	n := netlab.Line(t, 0)
	far := n.Node("far")
	allowPing(t, far)
	for _, p := range []rawdiag.Protocol{rawdiag.ICMP, rawdiag.ICMPv6} {
		if s := open(t, far, p, rawdiag.Auto); s.String() != "ping socket" {
			t.Broken("Where both kinds are allowed, Open of a socket of either kind, for %s, returned a %v; expected a ping socket, which needs no privilege.", protocols[p], s)
		}
		if s := open(t, far, p, rawdiag.RawOnly); s.String() != "raw socket" {
			t.Broken("Open of a raw socket, for %s, returned a %v.", protocols[p], s)
		}
	}
}

func TestRawSocketComesSecond(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	n := netlab.Line(t, 0)
	far := n.Node("far") // a new namespace: ping sockets are for nobody, not even root
	if s := open(t, far, rawdiag.ICMP, rawdiag.Auto); s.String() != "raw socket" {
		t.Broken("Where only raw sockets are allowed, Open of a socket of either kind returned a %v.", s)
	}
	var s *rawdiag.Socket
	var err error
	far.Do(func() error { s, err = rawdiag.Open(rawdiag.ICMP, rawdiag.PingOnly); return nil })
	if err == nil {
		t.Broken("Where only raw sockets are allowed, Open of a ping socket returned a %v and no error.", s)
	}
	denied, ok := errors.AsType[*rawdiag.PrivilegeError](err)
	if !ok || denied.Ping == nil || denied.Raw != nil {
		t.Broken("Where only raw sockets are allowed, Open of a ping socket returned %s; expected a *PrivilegeError with Ping set, and Raw nil, since none was wanted.", orNone(err))
	}
}

func TestDenialSaysWhatWouldHelp(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	netlab.New(t)
	t.NoLeaks()
	var s *rawdiag.Socket
	var err error
	if failed := netlab.WithoutRaw(func() error { s, err = rawdiag.Open(rawdiag.ICMP, rawdiag.Auto); return nil }); failed != nil {
		t.Fatalf("%v", failed)
	}
	if err == nil {
		t.Broken("Where neither ping nor raw sockets are allowed, Open returned a %v and no error.", s)
	}
	if !errors.Is(err, os.ErrPermission) {
		t.Broken("Where neither ping nor raw sockets are allowed, Open returned %s; expected one in which errors.Is finds os.ErrPermission.", orNone(err))
	}
	denied, ok := errors.AsType[*rawdiag.PrivilegeError](err)
	if !ok || denied.Ping == nil || denied.Raw == nil {
		t.Broken("Where neither ping nor raw sockets are allowed, Open returned %s; expected a *PrivilegeError that has both reasons: its words say what to do.", orNone(err))
	}
	if !strings.Contains(err.Error(), "ping_group_range") {
		t.Broken("Where neither ping nor raw sockets are allowed, Open returned %s; it does not name net.ipv4.ping_group_range.", orNone(err))
	}
}

func TestIdentifierIsTheOneOnTheWire(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	n := netlab.Line(t, 0)
	far := n.Node("far")
	allowPing(t, far)
	for _, p := range []rawdiag.Protocol{rawdiag.ICMP, rawdiag.ICMPv6} {
		for _, m := range []rawdiag.Mode{rawdiag.PingOnly, rawdiag.RawOnly} {
			s := open(t, far, p, m)
			send(t, s, p, loopback(p), s.ID(), 5, "who am I?")
			_, reply := next(t, s, p, "An echo request was sent to this machine itself")
			if reply.ID != s.ID() {
				t.Broken("ID of the %v is %04x. An echo request of %s with it came back with the identifier %04x: the kernel has put in one of its own, and that is the socket's local port.", s, s.ID(), protocols[p], reply.ID)
			}
		}
	}
}

func TestRawSocketsDifferInIdentifier(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	netlab.New(t)
	here := netlab.Line(t, 0).Here()
	seen := map[uint16]bool{}
	for range 6 {
		seen[open(t, here, rawdiag.ICMP, rawdiag.RawOnly).ID()] = true
	}
	if len(seen) < 4 { // two that are alike by chance are one of 65536 pairs
		t.Broken("Of 6 raw sockets several have the same ID: there are %d different ones. Each would take the others' replies for its own.", len(seen))
	}
}

func TestRequestsDoNotComeIn(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	here := netlab.Line(t, 0).Here()
	for _, p := range []rawdiag.Protocol{rawdiag.ICMP, rawdiag.ICMPv6} {
		s := open(t, here, p, rawdiag.RawOnly)
		for seq := range uint16(3) {
			send(t, s, p, loopback(p), s.ID(), seq, "to myself")
			_, m := next(t, s, p, "An echo request was sent to this machine itself")
			if m.Kind != rawdiag.EchoReply || m.Seq != seq {
				t.Broken("Echo request %d of %s was sent to this machine itself, and the next thing that came out of the raw socket is %s %d; expected the reply. A raw socket hears the requests as well, unless a filter keeps them away (a bit that is set keeps its type out).",
					seq, protocols[p], kindNames[m.Kind], m.Seq)
			}
		}
	}
}

func TestErrorsComeIn(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	n := netlab.Line(t, 1)
	for _, p := range []rawdiag.Protocol{rawdiag.ICMP, rawdiag.ICMPv6} {
		s := open(t, n.Here(), p, rawdiag.RawOnly)
		to := n.Node("far").Addr4()
		if p == rawdiag.ICMPv6 {
			to = n.Node("far").Addr6()
		}
		for _, c := range []struct {
			ttl  int
			want rawdiag.Kind
			what string
		}{
			{1, rawdiag.TimeExceeded, "A UDP datagram left with TTL 1 for a host behind a router"},
			{0, rawdiag.Unreachable, "A UDP datagram was sent to a port on which nobody listens"},
		} {
			if err := s.Send(rawdiag.Probe{Dst: to, TTL: c.ttl, Protocol: rawdiag.UDP, Port: 33434, Payload: []byte("probe")}); err != nil {
				t.Broken("A UDP probe could not be sent: %v.", err)
			}
			if _, m := next(t, s, p, c.what); m.Kind != c.want {
				t.Broken("%s, and out of the raw socket for %s came %s; expected %s.", c.what, protocols[p], kindNames[m.Kind], kindNames[c.want])
			}
		}
	}
}

func TestArrivalHasTheKernelsTime(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	n := netlab.Line(t, 0)
	// A witness gets a copy of each message at the same moment.
	witness, err := icmp.ListenPacket("ip4:icmp", "0.0.0.0")
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { witness.Close() })
	witness.SetReadDeadline(time.Now().Add(labtest.Patience))
	s := open(t, n.Here(), rawdiag.ICMP, rawdiag.RawOnly)
	// The kernel begins to take times a moment after the first socket has asked for
	// them, and makes up for what came before then when it is received: so not every
	// reply must have one.
	for begun := time.Now(); ; {
		before := time.Now()
		send(t, s, rawdiag.ICMP, n.Node("far").Addr4(), s.ID(), 1, "when?")
		if _, _, err := witness.ReadFrom(make([]byte, 1500)); err != nil {
			t.Fatalf("no reply from %v: %v", n.Node("far").Addr4(), err)
		}
		there := time.Now()
		for !time.Now().After(there.Add(time.Millisecond)) { // let it lie in the socket a little
		}
		a, _ := next(t, s, rawdiag.ICMP, "An echo request was sent")
		if a.At.Before(before.Add(-time.Second)) {
			t.Broken("A reply that came just now is said to have come %v ago.", before.Sub(a.At))
		}
		if !a.At.After(there.Add(time.Millisecond / 2)) {
			return
		}
		if time.Since(begun) > labtest.Patience/4 {
			t.Broken("Replies came, lay in the socket for a millisecond each, and were received; the time of each is that of receiving it, the last one %v too late. The kernel knows better: SO_TIMESTAMPNS.", a.At.Sub(there).Round(10*time.Microsecond))
		}
	}
}

func TestArrivalHasItsTTL(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	n := netlab.Line(t, 1)
	far := n.Node("far")
	allowPing(t, far)
	for _, p := range []rawdiag.Protocol{rawdiag.ICMP, rawdiag.ICMPv6} {
		to := n.Here().Addr4()
		if p == rawdiag.ICMPv6 {
			to = n.Here().Addr6()
		}
		for _, m := range []rawdiag.Mode{rawdiag.PingOnly, rawdiag.RawOnly} {
			s := open(t, far, p, m)
			send(t, s, p, to, s.ID(), 1, "how far?")
			if a, _ := next(t, s, p, "An echo request was sent to a host behind a router"); a.TTL != 63 {
				t.Broken("A reply of %s came through one router, so with TTL 63; out of the %v it came with TTL %d.", protocols[p], s, a.TTL)
			}
		}
	}
}

func init() {
	labtest.Probe(3, func() error {
		s, err := rawdiag.Open(rawdiag.ICMP, rawdiag.Auto)
		if errors.Is(err, os.ErrPermission) { // not here
			return nil
		}
		if err == nil {
			err = s.Close()
		}
		return err
	})
}
