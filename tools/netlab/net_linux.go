package netlab

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
	"unsafe"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// A namespace is a node's network namespace. It lives as long as somebody has it
// open or is in it: nothing outlives this process.
type namespace struct {
	fd      int
	netlink *netlink.Handle
}

// begin makes the node's namespace, except that of here, which is there.
func (node *Node) begin() error {
	var err error
	if node.Name == Here {
		node.ns.fd, err = currentNamespace()
	} else {
		node.ns.fd, err = newNamespace()
	}
	if err != nil {
		return err
	}
	node.net.undo = append(node.net.undo, func() { unix.Close(node.ns.fd) })
	if node.ns.netlink, err = netlink.NewHandleAt(netns.NsHandle(node.ns.fd)); err != nil {
		return err
	}
	node.net.undo = append(node.net.undo, node.ns.netlink.Close)
	for _, s := range node.settings() {
		// An older kernel has not all of them.
		if err := node.Sysctl(s[0], s[1]); err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	if node.Name == Here {
		return nil
	}
	lo, err := node.ns.netlink.LinkByName("lo")
	if err != nil {
		return err
	}
	return node.ns.netlink.LinkSetUp(lo)
}

// settings make a node answer at once, always, and speak only when spoken to.
func (node *Node) settings() [][2]string {
	s := [][2]string{
		{"net.ipv4.icmp_ratelimit", "0"},
		{"net.ipv4.icmp_msgs_per_sec", "1000000"},
		{"net.ipv4.icmp_msgs_burst", "1000000"},
		{"net.ipv6.icmp.ratelimit", "0"},
		// Addresses can be used at once: no duplicate address detection.
		{"net.ipv6.conf.default.accept_dad", "0"},
		{"net.ipv6.conf.default.dad_transmits", "0"},
		{"net.ipv6.conf.default.accept_ra", "0"},
		{"net.ipv6.conf.default.router_solicitations", "0"},
	}
	if node.router {
		s = append(s, [2]string{"net.ipv4.ip_forward", "1"}, [2]string{"net.ipv6.conf.all.forwarding", "1"})
	}
	return s
}

func currentNamespace() (int, error) {
	return unix.Open("/proc/thread-self/ns/net", unix.O_RDONLY|unix.O_CLOEXEC, 0)
}

func newNamespace() (fd int, err error) {
	back, err := currentNamespace()
	if err != nil {
		return 0, err
	}
	defer unix.Close(back)
	done := make(chan struct{})
	go func() {
		defer close(done)
		// Without Unlock the thread ends with the goroutine, so one that cannot
		// come back does no harm.
		runtime.LockOSThread()
		if err = unix.Unshare(unix.CLONE_NEWNET); err != nil {
			return
		}
		if fd, err = currentNamespace(); err != nil {
			return
		}
		if unix.Setns(back, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
	}()
	<-done
	return fd, err
}

// Do calls f as a program that runs on this node: sockets that f makes itself
// belong to the node for good, wherever they are used later. Goroutines that f
// starts are not there, and f must not end the test.
func (node *Node) Do(f func() error) error {
	if node.Name == Here {
		return f()
	}
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		back, err := currentNamespace()
		if err != nil {
			result <- err
			return
		}
		defer unix.Close(back)
		if err := unix.Setns(node.ns.fd, unix.CLONE_NEWNET); err != nil {
			result <- err
			return
		}
		err = f()
		if unix.Setns(back, unix.CLONE_NEWNET) == nil {
			runtime.UnlockOSThread()
		}
		result <- err
	}()
	return <-result
}

// Start starts a program on this node. It does not outlive this process.
func (node *Node) Start(cmd *exec.Cmd) error {
	if cmd.SysProcAttr == nil {
		cmd.SysProcAttr = &syscall.SysProcAttr{}
	}
	cmd.SysProcAttr.Pdeathsig = syscall.SIGKILL
	return node.Do(cmd.Start)
}

// Listen listens on this node.
func (node *Node) Listen(network, addr string) (l net.Listener, err error) {
	err = node.Do(func() error { l, err = net.Listen(network, addr); return err })
	return l, err
}

// ListenPacket listens on this node.
func (node *Node) ListenPacket(network, addr string) (c net.PacketConn, err error) {
	err = node.Do(func() error { c, err = net.ListenPacket(network, addr); return err })
	return c, err
}

// Sysctl changes a setting of the node's kernel: net.ipv4.ip_forward. Here it is
// put back when the network is closed.
func (node *Node) Sysctl(name, value string) error {
	file := filepath.Join("/proc/sys", strings.ReplaceAll(name, ".", "/"))
	return node.Do(func() error {
		if node.Name == Here {
			before, err := os.ReadFile(file)
			if err != nil {
				return err
			}
			node.net.undo = append(node.net.undo, func() { _ = os.WriteFile(file, before, 0) })
		}
		return os.WriteFile(file, []byte(value), 0)
	})
}

// connect lays a cable.
func connect(a *Node, pa *port, b *Node, pb *port) error {
	veth := &netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: pa.name, Namespace: netlink.NsFd(a.ns.fd)},
		PeerName:      pb.name,
		PeerNamespace: netlink.NsFd(b.ns.fd),
	}
	if err := a.ns.netlink.LinkAdd(veth); err != nil {
		return err
	}
	a.net.undo = append(a.net.undo, func() { _ = a.ns.netlink.LinkDel(veth) })
	if err := a.address(pa); err != nil {
		return err
	}
	if err := b.address(pb); err != nil {
		return err
	}
	return errors.Join(ready(a.ns.netlink, pa.name, pa.v4, pa.v6), ready(b.ns.netlink, pb.name, pb.v4, pb.v6))
}

// ready waits until an interface that is up really sends, and takes what is for its
// addresses. The end of a cable that was up first learns a moment later that there is
// another end, and drops what it is given till then; and a new IPv6 address is at work
// a moment after it is there.
func ready(h *netlink.Handle, name string, addrs ...netip.Addr) error {
	for end := time.Now().Add(5 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
		l, err := h.LinkByName(name)
		if err != nil {
			return err
		}
		works := l.Attrs().OperState == netlink.OperUp
		for _, addr := range addrs {
			way, err := h.RouteGet(addr.AsSlice())
			works = works && err == nil && len(way) > 0 && way[0].Type == unix.RTN_LOCAL
		}
		if works {
			return nil
		}
	}
	return fmt.Errorf("%s does not come up", name)
}

func (node *Node) address(p *port) error {
	h := node.ns.netlink
	l, err := h.LinkByName(p.name)
	if err != nil {
		return err
	}
	if err := node.Do(func() error { return honestChecksums(p.name) }); err != nil {
		return err
	}
	for _, a := range []struct {
		addr netip.Addr
		bits int
	}{{p.v4, 24}, {p.v6, 64}} {
		if err := h.AddrAdd(l, &netlink.Addr{IPNet: mask(a.addr, a.bits), Flags: unix.IFA_F_NODAD}); err != nil {
			return err
		}
	}
	return h.LinkSetUp(l)
}

func mask(addr netip.Addr, bits int) *net.IPNet {
	return &net.IPNet{IP: addr.AsSlice(), Mask: net.CIDRMask(bits, addr.BitLen())}
}

// honestChecksums makes the kernel write the checksums of TCP and UDP itself. A
// veth pair would leave them to a network card that is not there, and whoever
// captures, or quotes, would see half of a checksum. See ethtool(8), -K tx off.
func honestChecksums(name string) error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	value := struct{ command, data uint32 }{unix.ETHTOOL_STXCSUM, 0}
	request := struct {
		name [unix.IFNAMSIZ]byte
		data unsafe.Pointer
		_    [16]byte // struct ifreq is larger
	}{data: unsafe.Pointer(&value)}
	copy(request.name[:], name)
	_, _, errno := unix.Syscall(unix.SYS_IOCTL, uintptr(fd), unix.SIOCETHTOOL, uintptr(unsafe.Pointer(&request)))
	runtime.KeepAlive(&value)
	if errno != 0 {
		return fmt.Errorf("checksums of %s: %w", name, errno)
	}
	return nil
}

// route sends what is for a cable to a neighbour's port.
func (node *Node) route(l *link, via *port) error {
	for _, r := range []netlink.Route{
		{Dst: mask(l.v4.Addr(), 24), Gw: via.v4.AsSlice()},
		{Dst: mask(l.v6.Addr(), 64), Gw: via.v6.AsSlice()},
	} {
		if err := node.ns.netlink.RouteAdd(&r); err != nil {
			return err
		}
	}
	return nil
}

// Reject makes a router answer what is for an address with a refusal.
func (node *Node) Reject(addr netip.Addr, why Reason) error {
	kind := map[Reason]int{NoNetwork: unix.RTN_UNREACHABLE, NoHost: unix.RTN_UNREACHABLE, Prohibited: unix.RTN_PROHIBIT}[why]
	return node.ns.netlink.RouteAdd(&netlink.Route{Dst: mask(addr, addr.BitLen()), Type: kind})
}

// Namespace is the file that a program like nsenter(1) enters to be on this
// node, as long as this process lives.
func (node *Node) Namespace() string { return fmt.Sprintf("/proc/%d/fd/%d", os.Getpid(), node.ns.fd) }
