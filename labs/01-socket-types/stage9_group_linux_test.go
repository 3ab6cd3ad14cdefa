package sockettypes_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/net/ipv4"

	sockettypes "workbook.example/labs/01-socket-types"
	"workbook.example/tools/labtest"
)

// loopback is the interface that leads nowhere but back.
func loopback(t *labtest.T) *net.Interface {
	t.Helper()
	all, err := net.Interfaces()
	if err != nil {
		t.Fatalf("%v", err)
	}
	i := slices.IndexFunc(all, func(i net.Interface) bool { return i.Flags&net.FlagLoopback != 0 && i.Flags&net.FlagUp != 0 })
	if i < 0 {
		t.NotRun("There is no loopback interface.", "sudo ip link set lo up")
	}
	return &all[i]
}

// group is a multicast group for programs of one site (RFC 2365) with a port
// that is free. n tells groups of the same port apart.
func group(t *labtest.T) netip.AddrPort {
	t.Helper()
	c, err := net.ListenUDP("udp4", nil)
	if err != nil {
		t.Fatalf("%v", err)
	}
	defer c.Close()
	return netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 255, 77, 1}), addrPort(c.LocalAddr()).Port())
}

// join calls JoinGroup and expects a member, which is closed when the test
// ends.
func join(t *labtest.T, group netip.AddrPort, ifi *net.Interface) *net.UDPConn {
	t.Helper()
	c, err := sockettypes.JoinGroup(context.Background(), group, ifi)
	if err != nil {
		t.Broken("JoinGroup of %v on %s returned %s.", group, ifi.Name, orNone(err))
	}
	if c == nil {
		t.Broken("JoinGroup of %v on %s returned neither a socket nor an error.", group, ifi.Name)
	}
	t.Cleanup(func() { c.Close() })
	deadlined(c)
	return c
}

// A speaker sends to groups through the loopback interface, and is not the
// learner's.
type speaker struct{ *net.UDPConn }

func speak(t *labtest.T) speaker {
	t.Helper()
	c := listenUDP(t)
	p := ipv4.NewPacketConn(c)
	if err := errors.Join(p.SetMulticastInterface(loopback(t)), p.SetMulticastLoopback(true), p.SetMulticastTTL(0)); err != nil {
		t.Fatalf("%v", err)
	}
	return speaker{c}
}

func (s speaker) say(t *labtest.T, text string, to netip.AddrPort) {
	t.Helper()
	if _, err := s.WriteToUDPAddrPort([]byte(text), to); err != nil {
		t.Fatalf("Sending to %v: %v.", to, err)
	}
}

// hears expects what a member hears next.
func hears(t *labtest.T, who string, c *net.UDPConn, want string) {
	t.Helper()
	buf := make([]byte, 100)
	n, err := c.Read(buf)
	if err != nil {
		t.Broken("%q was said to the group, and %s heard nothing: %v.", want, who, err)
	}
	if got := string(buf[:n]); got != want {
		t.Broken("%q was said to the group, and %s heard %q.", want, who, got)
	}
}

// silent says whether nothing waits to be read from c.
func silent(c *net.UDPConn) bool {
	c.SetReadDeadline(soon())
	defer deadlined(c)
	_, err := c.Read(make([]byte, 1))
	return err != nil
}

func TestEveryMemberHearsTheGroup(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	g, lo := group(t), loopback(t)
	bob := join(t, g, lo)
	second, err := sockettypes.JoinGroup(context.Background(), g, lo)
	if err != nil {
		t.Broken("A program on this machine was in the group %v, and JoinGroup for a second one returned %s.", g, orNone(err))
	}
	carol := second
	t.Cleanup(func() { carol.Close() })
	deadlined(carol)
	alice := speak(t)
	for _, text := range []string{"hello, all", "still here?"} {
		alice.say(t, text, g)
		hears(t, "bob", bob, text)
		hears(t, "carol", carol, text)
	}
}

func TestWhatIsNoGroupIsRefused(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	lo := loopback(t)
	no := netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), group(t).Port())
	c, err := sockettypes.JoinGroup(context.Background(), no, lo)
	if err == nil {
		c.Close()
		t.Broken("JoinGroup of %v returned no error; that address is no group.", no.Addr())
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	end := make(chan error, 1)
	go func() { end <- sockettypes.Announce(ctx, no, lo, "alice") }()
	select {
	case err := <-end:
		if err == nil {
			t.Broken("Announce to %v returned no error, and its context is not done; that address is no group.", no.Addr())
		}
	case <-time.After(labtest.Patience):
		t.Broken("Announce to %v has not returned within 2 s; that address is no group.", no.Addr())
	}
}

func TestMemberHearsItsOwnGroupOnly(tt *testing.T) {
	t := labtest.Begin(tt)
	g, lo := group(t), loopback(t)
	other := netip.AddrPortFrom(netip.AddrFrom4([4]byte{239, 255, 77, 2}), g.Port())
	bob := join(t, g, lo)
	// Somebody else on this machine is in the other group, with the same port.
	config := net.ListenConfig{Control: shareAddress}
	elsewhere, err := config.ListenPacket(context.Background(), "udp4", fmt.Sprintf("0.0.0.0:%d", g.Port()))
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { elsewhere.Close() })
	if err := ipv4.NewPacketConn(elsewhere).JoinGroup(lo, &net.UDPAddr{IP: other.Addr().AsSlice()}); err != nil {
		t.Fatalf("%v", err)
	}
	alice := speak(t)
	alice.say(t, "not for bob", other)
	alice.say(t, "for bob", g)
	buf := make([]byte, 100)
	n, err := bob.Read(buf)
	if err != nil {
		t.Broken("%q was said to bob's group, and he heard nothing: %v.", "for bob", err)
	}
	if got := string(buf[:n]); got != "for bob" {
		t.Broken("Bob is in %v and heard %q, which was said to %v, another group with the same port.", g, got, other)
	}
}

func TestWhoHasLeftHearsNothing(tt *testing.T) {
	t := labtest.Begin(tt)
	g, lo := group(t), loopback(t)
	bob, carol := join(t, g, lo), join(t, g, lo)
	alice := speak(t)
	alice.say(t, "hello, all", g)
	hears(t, "bob", bob, "hello, all")
	hears(t, "carol", carol, "hello, all")
	if err := sockettypes.LeaveGroup(bob, g, lo); err != nil {
		t.Broken("LeaveGroup returned %s.", orNone(err))
	}
	alice.say(t, "bob is gone", g)
	hears(t, "carol", carol, "bob is gone")
	if !silent(bob) {
		t.Broken("Bob has left the group, and still hears what is said to it.")
	}
	if err := sockettypes.LeaveGroup(bob, g, lo); err == nil {
		t.Broken("Bob left the group twice, and the second time there was no error.")
	}
}

// announce calls Announce in a goroutine, until the test ends, and waits until
// it answers.
func announce(t *labtest.T, g netip.AddrPort, name string) (cancel func(), end chan error) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	end = make(chan error, 1)
	lo := loopback(t)
	go func() { end <- sockettypes.Announce(ctx, g, lo, name) }()
	t.Eventually("That "+name+" answers the question who is there", func() bool {
		select {
		case err := <-end:
			t.Broken("Announce of %s returned before its context was done, with %s.", name, orNone(err))
		default:
		}
		asker := speak(t)
		defer asker.Close()
		asker.say(t, "who is there?", g)
		asker.SetReadDeadline(soon())
		buf := make([]byte, 100)
		for {
			n, err := asker.Read(buf)
			if err != nil {
				return false
			}
			if string(buf[:n]) == "here is "+name {
				return true
			}
		}
	})
	return cancel, end
}

func TestQuestionIsAnswered(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(7)
	g := group(t)
	announce(t, g, "alice")
	bystander := join(t, g, loopback(t))
	asker := speak(t)
	nonsense := []string{"something else", "", "who is there? And why?", "who is there"}
	for _, text := range nonsense {
		asker.say(t, text, g)
	}
	asker.say(t, "who is there?", g)
	buf := make([]byte, 100)
	n, from, err := asker.ReadFromUDPAddrPort(buf)
	if err != nil {
		t.Broken("The group was asked who is there, and no answer came: %v.", err)
	}
	if got := string(buf[:n]); got != "here is alice" {
		t.Broken("The group was asked who is there, and %v answered %q; expected %q.", from, got, "here is alice")
	}
	if !silent(asker.UDPConn) {
		t.Broken("One question was asked, and other things were said that are not the question, such as %q; a second answer came.", nonsense[2])
	}
	for _, want := range append(nonsense, "who is there?") {
		hears(t, "another member", bystander, want)
	}
	if !silent(bystander) {
		t.Broken("The answer went to the whole group; it is for the one who asked.")
	}
}

func TestAnnouncingEndsWithItsContext(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(7)
	t.NoLeaks()
	cancel, end := announce(t, group(t), "alice")
	cancel()
	select {
	case err := <-end:
		if err != nil {
			t.Broken("The context of Announce was cancelled, and it returned %s; expected none.", orNone(err))
		}
	case <-time.After(labtest.Patience):
		t.Broken("The context of Announce was cancelled, and it has not returned within 2 s.")
	}
}

// discover calls Discover for a while.
func discover(t *labtest.T, g netip.AddrPort, while time.Duration) []sockettypes.Peer {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), while)
	defer cancel()
	lo := loopback(t)
	var peers []sockettypes.Peer
	t.Returns("Discover, after its context was done,", func() {
		var err error
		if peers, err = sockettypes.Discover(ctx, g, lo); err != nil {
			t.Broken("Discover returned %s.", orNone(err))
		}
		// Who reads until the context's deadline may be a moment ahead of it.
		if over, _ := ctx.Deadline(); time.Until(over) > while/10 {
			t.Broken("Discover returned before its context was done, with %d peers; others might still answer.", len(peers))
		}
	})
	return peers
}

// An answer is what one of the group says when it is asked who is there.
type answer struct {
	from *net.UDPConn
	text string
}

// answering makes members of the group, not the learner's, that answer each
// question with these datagrams, in this order.
func answering(t *labtest.T, g netip.AddrPort, answers ...answer) {
	t.Helper()
	config := net.ListenConfig{Control: shareAddress}
	pc, err := config.ListenPacket(context.Background(), "udp4", fmt.Sprintf("0.0.0.0:%d", g.Port()))
	if err != nil {
		t.Fatalf("%v", err)
	}
	member := pc.(*net.UDPConn)
	t.Cleanup(func() { member.Close() })
	if err := ipv4.NewPacketConn(member).JoinGroup(loopback(t), &net.UDPAddr{IP: g.Addr().AsSlice()}); err != nil {
		t.Fatalf("%v", err)
	}
	go func() {
		buf := make([]byte, 100)
		for {
			n, asker, err := member.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			for _, a := range answers {
				if string(buf[:n]) == "who is there?" {
					a.from.WriteToUDPAddrPort([]byte(a.text), asker)
				}
			}
		}
	}()
}

func TestEverybodyIsFoundOnce(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(7)
	t.NoLeaks()
	g := group(t)
	if peers := discover(t, g, 50*time.Millisecond); len(peers) > 0 {
		t.Broken("Nobody was in the group, and Discover returned %v.", peers)
	}
	alice, carol := listenUDP(t), listenUDP(t)
	answering(t, g,
		answer{carol, "here is carol"}, answer{carol, "here is carol"},
		answer{alice, "what do you want?"}, answer{alice, ""}, answer{alice, "here is "}, answer{alice, "here is alice"})
	want := []sockettypes.Peer{{Name: "alice", Addr: addrPort(alice.LocalAddr())}, {Name: "carol", Addr: addrPort(carol.LocalAddr())}}
	var got []sockettypes.Peer
	// On a busy machine an answer may take its time.
	for _, while := range []time.Duration{100 * time.Millisecond, 400 * time.Millisecond, 1500 * time.Millisecond} {
		if got = discover(t, g, while); slices.Equal(got, want) {
			return
		}
	}
	t.Broken("carol at %v answered twice, and then alice at %v, after some nonsense. Discover returned %s; expected %s.",
		carol.LocalAddr(), alice.LocalAddr(), list(got), list(want))
}

func list(peers []sockettypes.Peer) string {
	if len(peers) == 0 {
		return "nobody"
	}
	s := ""
	for i, p := range peers {
		if i > 0 {
			s += ", "
		}
		s += fmt.Sprintf("%q at %v", p.Name, p.Addr)
	}
	return s
}

func TestQuestionStaysOnThisNetwork(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(7)
	g, lo := group(t), loopback(t)
	config := net.ListenConfig{Control: shareAddress}
	pc, err := config.ListenPacket(context.Background(), "udp4", fmt.Sprintf("0.0.0.0:%d", g.Port()))
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { pc.Close() })
	member := ipv4.NewPacketConn(pc)
	if err := errors.Join(member.JoinGroup(lo, &net.UDPAddr{IP: g.Addr().AsSlice()}), member.SetControlMessage(ipv4.FlagTTL|ipv4.FlagInterface, true)); err != nil {
		t.Fatalf("%v", err)
	}
	discover(t, g, 50*time.Millisecond)
	deadlined(pc.(*net.UDPConn))
	_, how, _, err := member.ReadFrom(make([]byte, 100))
	if err != nil {
		t.Broken("Discover was called for %s, and no question came to a member there.", lo.Name)
	}
	if how.TTL > 1 {
		t.Broken("Discover sent its question with a TTL of %d: it may cross %d routers; expected at most 1.", how.TTL, how.TTL-1)
	}
}

func TestAnnouncersAreDiscovered(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(7)
	g := group(t)
	for _, name := range []string{"bob", "alice"} {
		announce(t, g, name)
	}
	var got []sockettypes.Peer
	for _, while := range []time.Duration{100 * time.Millisecond, 400 * time.Millisecond, 1500 * time.Millisecond} {
		got = discover(t, g, while)
		if len(got) == 2 && got[0].Name == "alice" && got[1].Name == "bob" {
			return
		}
	}
	t.Broken("bob and alice have announced themselves, and Discover returned %s.", list(got))
}
