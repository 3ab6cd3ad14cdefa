package sockettypes_test

import (
	"encoding/json"
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	sockettypes "workbook.example/labs/01-socket-types"
	"workbook.example/tools/labtest"
)

func init() {
	parts["probe"] = playProbe
	parts["open icmp"] = playOpenICMP
	parts["connect"] = playConnect
}

// An attempt is what became of opening one special socket: what Probe said
// about it, and what happened when the test opened one in the same place.
type attempt struct{ Said, Really string }

// openings are the special sockets, in the order of Access.
var openings = []struct {
	name                  string
	family, typ, protocol int
}{
	{"a raw socket (AF_INET, SOCK_RAW, IPPROTO_ICMP)", unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP},
	{"a packet socket (AF_PACKET, SOCK_RAW)", unix.AF_PACKET, unix.SOCK_RAW, 0},
	{"a ping socket (AF_INET, SOCK_DGRAM, IPPROTO_ICMP)", unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP},
}

func playProbe() any {
	access := sockettypes.Probe()
	said := []error{access.Raw, access.Packet, access.Ping}
	var attempts []attempt
	for i, o := range openings {
		fd, err := unix.Socket(o.family, o.typ|unix.SOCK_CLOEXEC, o.protocol)
		if err == nil {
			unix.Close(fd)
		}
		attempts = append(attempts, attempt{word(said[i]), word(err)})
	}
	return append(attempts, attempt{Said: word(access.Namespaces)})
}

// expectProbed compares what Probe said with what really happened.
func expectProbed(t *labtest.T, where string, attempts []attempt) {
	t.Helper()
	for i, o := range openings {
		a := attempts[i]
		switch {
		case a.Said == "" && a.Really != "":
			t.Broken("%s, Probe says that %s may be opened; the kernel says: %s.", where, o.name, a.Really)
		case a.Said != "" && a.Really == "":
			t.Broken("%s, Probe says that %s may not be opened (%q), and it can be.", where, o.name, a.Said)
		}
	}
}

func TestProbeIsRightHere(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	t.NoLeaks()
	expectProbed(t, "In this process", playProbe().([]attempt))
}

func TestProbeIsRightInANamespace(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	var attempts []attempt
	in(t, allButPing, "probe", &attempts)
	expectProbed(t, "In a namespace of its own, where everything but ping sockets is allowed", attempts)
	in(t, pingOnly, "probe", &attempts)
	expectProbed(t, "In a namespace of its own, where net.ipv4.ping_group_range allows ping sockets and nothing else is allowed", attempts)
}

func TestRootMayLackThePrivilege(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	var attempts []attempt
	in(t, nothing, "probe", &attempts)
	expectProbed(t, "As root (user 0) without the capability CAP_NET_RAW", attempts)
}

func TestProbeTellsOfNamespaces(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	var attempts []attempt
	in(t, allButPing, "probe", &attempts)
	if said := attempts[len(openings)].Said; said != "" {
		t.Broken("Where namespaces may be made, Probe says that they may not: %q.", said)
	}
	in(t, nothing, "probe", &attempts)
	if attempts[len(openings)].Said == "" {
		t.Broken("Where no more namespaces may be made (user.max_user_namespaces is 0), Probe says that they may.")
	}
}

// unixListener listens on a Unix socket until the test ends.
func unixListener(t *labtest.T) *net.UnixListener {
	t.Helper()
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(t.TempDir(), "chat"), Net: "unix"})
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { l.Close() })
	l.SetDeadline(time.Now().Add(2 * labtest.Patience))
	return l
}

// envSocket is where the part "connect" connects to.
const envSocket = "WORKBOOK_LAB1_SOCKET"

// playConnect connects, says who it is, and stays until the other end closes.
func playConnect() any {
	me := sockettypes.Cred{PID: os.Getpid(), UID: os.Getuid(), GID: os.Getgid()}
	c, err := net.Dial("unix", os.Getenv(envSocket))
	if err == nil {
		c.Read(make([]byte, 1))
	}
	return me
}

func TestPeerIsWhoTheKernelSays(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	l := unixListener(t)
	var said sockettypes.Cred
	var saidErr error
	done := make(chan bool)
	go func() {
		defer close(done)
		c, err := l.AcceptUnix()
		if err != nil {
			saidErr = err
			return
		}
		said, saidErr = sockettypes.PeerCred(c)
		c.Close()
	}()
	cmd := exec.Command("/proc/self/exe")
	os.Setenv(envSocket, l.Addr().String())
	defer os.Unsetenv(envSocket)
	file := filepath.Join(t.TempDir(), "saw")
	ended := play(t, cmd, "connect", "", file)
	<-done
	var really sockettypes.Cred
	saw, err := os.ReadFile(file)
	if err != nil || json.Unmarshal(saw, &really) != nil {
		t.Broken("Another process connected to a Unix socket, and waited until this end was closed. PeerCred was called, then Close, and the other process %s.", ended)
	}
	if saidErr != nil {
		t.Broken("Another process connected to a Unix socket, and PeerCred returned %s.", orNone(saidErr))
	}
	if said != really {
		t.Broken("The process %d of user %d and group %d connected, and PeerCred said: process %d, user %d, group %d. (This process is %d.)",
			really.PID, really.UID, really.GID, said.PID, said.UID, said.GID, os.Getpid())
	}
}

func TestClosedConnectionHasNoPeer(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	l := unixListener(t)
	c, err := net.DialUnix("unix", nil, l.Addr().(*net.UnixAddr))
	if err != nil {
		t.Fatalf("%v", err)
	}
	if cred, err := sockettypes.PeerCred(c); err != nil || cred.PID != os.Getpid() {
		t.Broken("This process, %d, connected to itself, and PeerCred at the dialled end said process %d and %s.", os.Getpid(), cred.PID, orNone(err))
	}
	c.Close()
	if cred, err := sockettypes.PeerCred(c); !errors.Is(err, net.ErrClosed) {
		t.Broken("PeerCred of a connection that was closed said process %d and %s; expected an error in which errors.Is finds net.ErrClosed.", cred.PID, orNone(err))
	}
}

// A ping is what became of an echo request through the socket of OpenICMP.
type ping struct {
	Err    string // of OpenICMP
	Denied bool   // errors.Is(err, os.ErrPermission)
	Unsent string // why the request could not be sent, if so
	Lost   string // why no reply came, if none did
	Left   int    // descriptors left over
	Raw    bool   // it is a raw socket
}

func playOpenICMP() any {
	// Go's poller opens files of its own, when the first socket needs it.
	if warm, err := net.ListenPacket("udp4", "127.0.0.1:0"); err == nil {
		defer warm.Close()
	}
	before := descriptors()
	c, err := sockettypes.OpenICMP()
	if err != nil {
		return ping{Err: err.Error(), Denied: errors.Is(err, os.ErrPermission), Left: descriptors() - before}
	}
	if c == nil {
		return ping{Err: "neither a socket nor an error"}
	}
	p := echo(c)
	if s, ok := c.(syscall.Conn); ok {
		descriptor(s, func(fd int) error {
			typ, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_TYPE)
			p.Raw = typ == unix.SOCK_RAW
			return err
		})
	}
	c.Close()
	p.Left = descriptors() - before
	return p
}

func descriptors() int {
	files, _ := os.ReadDir("/proc/self/fd")
	return len(files)
}

// echo sends an echo request to this machine and waits for the reply.
func echo(c net.PacketConn) ping {
	request, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: 7, Seq: 9, Data: []byte("anybody there?")}}).Marshal(nil)
	if err != nil {
		return ping{Unsent: err.Error()}
	}
	// A ping socket wants one kind of address, a raw one another.
	me := net.IPv4(127, 0, 0, 1)
	if _, err := c.WriteTo(request, &net.UDPAddr{IP: me}); err != nil {
		if _, err := c.WriteTo(request, &net.IPAddr{IP: me}); err != nil {
			return ping{Unsent: err.Error()}
		}
	}
	c.SetReadDeadline(time.Now().Add(time.Second))
	buf := make([]byte, 1500)
	for {
		n, _, err := c.ReadFrom(buf)
		if err != nil {
			return ping{Lost: err.Error()}
		}
		m, err := icmp.ParseMessage(1, buf[:n])
		if err != nil {
			continue
		}
		if body, ok := m.Body.(*icmp.Echo); ok && m.Type == ipv4.ICMPTypeEchoReply && body.Seq == 9 {
			return ping{}
		}
	}
}

// expectPing expects an echo reply through the socket of OpenICMP.
func expectPing(t *labtest.T, where string, p ping) {
	t.Helper()
	if p.Err != "" {
		t.Broken("%s, OpenICMP returned the error %q.", where, p.Err)
	}
	if p.Unsent != "" {
		t.Broken("%s, no echo request can be sent through the socket that OpenICMP returned: %s.", where, p.Unsent)
	}
	if p.Lost != "" {
		t.Broken("%s, an echo request was sent to this machine through the socket that OpenICMP returned, and no reply came out of it: %s.", where, p.Lost)
	}
	if p.Left > 0 {
		t.Broken("%s, the socket that OpenICMP returned was closed, and %d more stayed open.", where, p.Left)
	}
}

func TestRepliesComeBack(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	var p ping
	in(t, allButPing, "open icmp", &p)
	expectPing(t, "Where raw sockets are allowed and ping sockets are not", p)
}

func TestPingNeedsNoPrivilege(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	var p ping
	in(t, pingOnly, "open icmp", &p)
	expectPing(t, "Where ping sockets are allowed and raw ones are not", p)
	in(t, everything, "open icmp", &p)
	expectPing(t, "Where both ping and raw sockets are allowed", p)
	if p.Raw {
		t.Broken("Where both ping and raw sockets are allowed, OpenICMP returned a raw one; expected a ping socket, which needs no privilege.")
	}
}

func TestLackOfPrivilegeIsTold(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	var p ping
	in(t, nothing, "open icmp", &p)
	if !p.Denied {
		said := p.Err
		if said == "" {
			said = "a socket"
		}
		t.Broken("Where neither ping nor raw sockets are allowed, OpenICMP returned %q; expected an error in which errors.Is finds os.ErrPermission.", said)
	}
	if p.Left > 0 {
		t.Broken("OpenICMP returned an error, and %d sockets stayed open.", p.Left)
	}
}
