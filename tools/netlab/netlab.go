package netlab

import (
	"errors"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"testing"

	"workbook.example/tools/result"
	"workbook.example/tools/sandbox"
)

// TB is what a network needs of a test. A *labtest.T is one.
type TB interface {
	Helper()
	Cleanup(func())
	Fatalf(format string, args ...any)
	NotRun(reason, remedy string)
}

// Here is the name of the host that this process is.
const Here = "here"

// Main runs tests, in a namespace of their own where the kernel allows it, and
// ends the process. It is all that a lab's TestMain does. Under the workbook's
// runner the process is in such a namespace already.
func Main(m *testing.M) {
	sandbox.Init()
	if iso := sandbox.Detect(); !sandbox.Inside() && os.Getenv(result.EnvLab) == "" && iso.Level == sandbox.Namespace {
		os.Exit(again(iso))
	}
	os.Exit(m.Run())
}

// again runs this program once more, in the sandbox, and returns its status.
func again(iso result.Isolation) int {
	exe, err := os.Executable()
	if err == nil {
		cmd := sandbox.Command(iso, exe, os.Args[1:]...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = os.Stdin, os.Stdout, os.Stderr
		err = cmd.Run()
	}
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit) && exit.ExitCode() >= 0:
		return exit.ExitCode()
	}
	fmt.Fprintln(os.Stderr, err)
	return 1
}

// Net is a private network.
type Net struct {
	nodes []*Node
	links []*link
	undo  []func()
}

// A Node is a host or a router of a Net.
type Node struct {
	Name   string
	router bool
	net    *Net
	ports  []port
	ns     namespace
}

// A port is a node's end of a link.
type port struct {
	name   string // of the interface
	link   *link
	v4, v6 netip.Addr
	to     *Node
}

type link struct{ v4, v6 netip.Prefix }

// New makes a network with nothing in it but this process, for as long as the
// test runs.
func New(t TB) *Net {
	t.Helper()
	if reason, remedy := Forbidden(); reason != "" {
		t.NotRun(reason, remedy)
	}
	n, err := Open()
	if err != nil {
		t.Fatalf("a private network: %v", err)
	}
	t.Cleanup(n.Close)
	return n
}

// Line is a network in a row: here, so many routers called r1, r2, …, and a host
// called far. It is up.
func Line(t TB, routers int) *Net {
	t.Helper()
	n := New(t)
	if err := n.line(routers); err != nil {
		t.Fatalf("a private network: %v", err)
	}
	return n
}

// OpenLine is Line without a test. Close ends it.
func OpenLine(routers int) (*Net, error) {
	n, err := Open()
	if err != nil {
		return nil, err
	}
	if err := n.line(routers); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

func (n *Net) line(routers int) error {
	at := n.Here()
	for i := range routers {
		r := n.Router(fmt.Sprint("r", i+1))
		n.Link(at, r)
		at = r
	}
	n.Link(at, n.Host("far"))
	return n.TryUp()
}

// Forbidden tells why this process may not make networks, and the command that
// changes it; two empty strings where it may.
func Forbidden() (reason, remedy string) {
	if sandbox.Inside() {
		return "", ""
	}
	iso := sandbox.Detect()
	if iso.Level == sandbox.Namespace {
		return "These tests were not started in a namespace of their own.", "bin/lab test, or netlab.Main in TestMain"
	}
	return "A private network cannot be made here: " + iso.Reason + ".", iso.Remedy
}

// Open is New without a test. Close ends it. It must be called in a process that
// is in a sandbox, so that no mistake can reach the machine's own network.
func Open() (*Net, error) {
	if reason, _ := Forbidden(); reason != "" {
		return nil, errors.New(reason)
	}
	n := &Net{}
	if err := n.add(Here, false).begin(); err != nil {
		n.Close()
		return nil, err
	}
	return n, nil
}

// Close takes the network apart, at once and whole.
func (n *Net) Close() {
	for _, undo := range slices.Backward(n.undo) {
		undo()
	}
	n.undo = nil
}

// Here is the host that this process is.
func (n *Net) Here() *Node { return n.nodes[0] }

// Host adds a host.
func (n *Net) Host(name string) *Node { return n.add(name, false) }

// Router adds a host that passes on what is not for it, and says so when it
// cannot, as often as it must (the kernel's limit of one a second is off).
func (n *Net) Router(name string) *Node { return n.add(name, true) }

func (n *Net) add(name string, router bool) *Node {
	node := &Node{Name: name, router: router, net: n}
	n.nodes = append(n.nodes, node)
	return node
}

// Node is the node of this name; there must be one.
func (n *Net) Node(name string) *Node {
	for _, node := range n.nodes {
		if node.Name == name {
			return node
		}
	}
	panic("netlab: there is no node " + name)
}

// Nodes are all nodes, here first.
func (n *Net) Nodes() []*Node { return slices.Clone(n.nodes) }

// Link joins two nodes by a cable. The interface at each end is named after the
// node at the other end: to-far. The k-th cable is 10.0.k.0/24 and
// fd00:0:0:k::/64, and its first end is .1 and ::1.
func (n *Net) Link(a, b *Node) {
	k := byte(len(n.links) + 1)
	l := &link{
		v4: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, 0, k, 0}), 24),
		v6: netip.PrefixFrom(netip.AddrFrom16([16]byte{0: 0xfd, 7: k}), 64),
	}
	n.links = append(n.links, l)
	a.plug(l, b, 1)
	b.plug(l, a, 2)
}

func (node *Node) plug(l *link, to *Node, number byte) {
	v4, v6 := l.v4.Addr().As4(), l.v6.Addr().As16()
	v4[3], v6[15] = number, number
	name := "to-" + to.Name
	node.ports = append(node.ports, port{name: name[:min(len(name), 15)], link: l, v4: netip.AddrFrom4(v4), v6: netip.AddrFrom16(v6), to: to})
}

// Addr4 is the node's IPv4 address on its first cable.
func (node *Node) Addr4() netip.Addr { return node.ports[0].v4 }

// Addr6 is the node's IPv6 address on its first cable.
func (node *Node) Addr6() netip.Addr { return node.ports[0].v6 }

// Addrs are these two.
func (node *Node) Addrs() []netip.Addr { return []netip.Addr{node.Addr4(), node.Addr6()} }

// AllAddrs are the addresses of all its interfaces, those of the interface nearest to
// Here first.
func (node *Node) AllAddrs() []netip.Addr {
	var all []netip.Addr
	for _, p := range node.ports {
		all = append(all, p.v4, p.v6)
	}
	return all
}

// Interface is the name of the node's end of its first cable.
func (node *Node) Interface() string { return node.ports[0].name }

// Up makes all that was added real, with the routes of the shortest ways. It is
// called once.
func (n *Net) Up(t TB) {
	t.Helper()
	if err := n.TryUp(); err != nil {
		t.Fatalf("a private network: %v", err)
	}
}

// TryUp is Up without a test.
func (n *Net) TryUp() error {
	for _, node := range n.nodes[1:] {
		if err := node.begin(); err != nil {
			return fmt.Errorf("%s: %w", node.Name, err)
		}
	}
	for _, node := range n.nodes {
		for i, p := range node.ports {
			// The end that is .1 makes both.
			if p.v4.As4()[3] == 1 {
				if err := connect(node, &node.ports[i], p.to, p.to.portOn(p.link)); err != nil {
					return fmt.Errorf("the cable from %s to %s: %w", node.Name, p.to.Name, err)
				}
			}
		}
	}
	for _, node := range n.nodes {
		for l, via := range node.routes() {
			if err := node.route(l, via); err != nil {
				return fmt.Errorf("%s: route to %v: %w", node.Name, l.v4, err)
			}
		}
	}
	return nil
}

func (node *Node) portOn(l *link) *port {
	for i := range node.ports {
		if node.ports[i].link == l {
			return &node.ports[i]
		}
	}
	return nil
}

// routes says, for each cable that the node is not at, which neighbour's port
// the shortest way begins with.
func (node *Node) routes() map[*link]*port {
	routes := map[*link]*port{}
	first := map[*Node]*port{node: nil} // the neighbour's port on the way there
	for queue := []*Node{node}; len(queue) > 0; queue = queue[1:] {
		at := queue[0]
		if at != node && !at.router {
			continue
		}
		for _, p := range at.ports {
			if _, known := first[p.to]; !known {
				via := first[at]
				if at == node {
					via = p.to.portOn(p.link)
				}
				first[p.to] = via
				queue = append(queue, p.to)
			}
			if at != node && node.portOn(p.link) == nil && routes[p.link] == nil {
				routes[p.link] = first[at]
			}
		}
	}
	return routes
}
