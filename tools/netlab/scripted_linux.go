package netlab

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The cable to a scripted router, in here's eyes.
const scriptedName = "to-script"

var (
	scriptedHere4 = netip.MustParseAddr("10.255.0.1")
	scriptedHere6 = netip.MustParseAddr("fd00:0:0:ff::1")
	scripted4     = netip.MustParseAddr("10.255.0.2")
	scripted6     = netip.MustParseAddr("fd00:0:0:ff::2")
)

// Scripted makes everything that leaves here for an address without another
// route go to answer, and sends back what that says. answer is called in one
// goroutine, packet by packet. It returns the addresses that here has on that
// cable. There is one such router in a network.
func (n *Net) Scripted(t TB, answer func(Packet) []Reply) (v4, v6 netip.Addr) {
	t.Helper()
	if err := n.TryScripted(answer); err != nil {
		t.Fatalf("a scripted router: %v", err)
	}
	return scriptedHere4, scriptedHere6
}

// TryScripted is Scripted without a test.
func (n *Net) TryScripted(answer func(Packet) []Reply) error {
	node := &Node{Name: "script", net: n}
	if err := node.begin(); err != nil {
		return err
	}
	here := n.Here().ns.netlink
	cable := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: scriptedName, Namespace: netlink.NsFd(n.Here().ns.fd)},
		PeerName:      "script",
		PeerNamespace: netlink.NsFd(node.ns.fd),
	}
	if err := here.LinkAdd(cable); err != nil {
		return err
	}
	n.undo = append(n.undo, func() { _ = here.LinkDel(cable) })
	other, err := node.ns.netlink.LinkByName("script")
	if err != nil {
		return err
	}
	// That kernel shall not answer: the script does.
	if err := errors.Join(
		node.Sysctl("net.ipv6.conf.script.disable_ipv6", "1"),
		node.Do(func() error { return honestChecksums("script") }),
		node.ns.netlink.LinkSetUp(other),
		honestChecksums(scriptedName),
	); err != nil {
		return err
	}
	near, err := here.LinkByName(scriptedName)
	if err != nil {
		return err
	}
	for _, a := range []struct {
		here, there netip.Addr
		bits        int
	}{{scriptedHere4, scripted4, 24}, {scriptedHere6, scripted6, 64}} {
		if err := here.AddrAdd(near, &netlink.Addr{IPNet: mask(a.here, a.bits), Flags: unix.IFA_F_NODAD}); err != nil {
			return err
		}
	}
	if err := here.LinkSetUp(near); err != nil {
		return err
	}
	if err := errors.Join(ready(here, scriptedName, scriptedHere4, scriptedHere6), ready(node.ns.netlink, "script")); err != nil {
		return err
	}
	for _, gateway := range []netip.Addr{scripted4, scripted6} {
		// Nobody there answers ARP, so here is told the address for good.
		if err := here.NeighSet(&netlink.Neigh{
			LinkIndex: near.Attrs().Index, IP: gateway.AsSlice(),
			HardwareAddr: other.Attrs().HardwareAddr, State: netlink.NUD_PERMANENT,
		}); err != nil {
			return err
		}
		any := netip.PrefixFrom(netip.IPv4Unspecified(), 0)
		if gateway.Is6() {
			any = netip.PrefixFrom(netip.IPv6Unspecified(), 0)
		}
		if err := here.RouteAdd(&netlink.Route{LinkIndex: near.Attrs().Index, Dst: mask(any.Addr(), 0), Gw: gateway.AsSlice()}); err != nil {
			return err
		}
	}
	s := &script{from: other.Attrs().HardwareAddr, to: near.Attrs().HardwareAddr, answer: answer}
	if err := node.Do(func() error { return s.open(other.Attrs().Index) }); err != nil {
		return err
	}
	n.undo = append(n.undo, s.close)
	s.running.Go(s.run)
	return nil
}

// A script reads and writes frames at one end of a cable.
type script struct {
	from, to net.HardwareAddr
	answer   func(Packet) []Reply
	file     *os.File
	running  sync.WaitGroup
}

// open opens an AF_PACKET socket on the interface, see packet(7), and gives it
// to Go's poller, so that close wakes run.
func (s *script) open(index int) error {
	const all = unix.ETH_P_ALL<<8 | unix.ETH_P_ALL>>8 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, 0)
	if err != nil {
		return err
	}
	s.file = os.NewFile(uintptr(fd), "script")
	if err := unix.Bind(fd, &unix.SockaddrLinklayer{Protocol: all & 0xffff, Ifindex: index}); err != nil {
		s.file.Close()
		return fmt.Errorf("bind: %w", err)
	}
	return nil
}

func (s *script) close() {
	s.file.Close()
	s.running.Wait()
}

func (s *script) run() {
	frame := make([]byte, 64<<10)
	for {
		n, err := s.file.Read(frame)
		if errors.Is(err, unix.ENETDOWN) {
			continue // said once, when the cable comes up late
		}
		if err != nil {
			return
		}
		if n < 14 {
			continue
		}
		switch binary.BigEndian.Uint16(frame[12:]) {
		case unix.ETH_P_IP, unix.ETH_P_IPV6:
		default:
			continue
		}
		probe, err := ParsePacket(frame[14:n])
		if err != nil || probe.Dst.IsMulticast() {
			continue
		}
		// A script may keep what it is given.
		kept, _ := ParsePacket(append([]byte(nil), probe.Raw...))
		for _, r := range s.answer(kept) {
			if r.After > 0 {
				time.AfterFunc(r.After, func() { s.send(r.Raw) })
			} else {
				s.send(r.Raw)
			}
		}
	}
}

func (s *script) send(packet []byte) {
	kind := uint16(unix.ETH_P_IP)
	if packet[0]>>4 == 6 {
		kind = unix.ETH_P_IPV6
	}
	frame := append(append(append([]byte(nil), s.to...), s.from...), byte(kind>>8), byte(kind))
	_, _ = s.file.Write(append(frame, packet...)) // nobody to tell when the test is over
}
