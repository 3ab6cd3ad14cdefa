package netlab_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/sys/unix"

	"workbook.example/tools/netlab"
)

// envPart makes a copy of this program do something else than test.
const envPart = "NETLAB_TEST_PART"

func TestMain(m *testing.M) {
	switch os.Getenv(envPart) {
	case "open and wait":
		openAndWait()
	case "wait":
		for {
			time.Sleep(time.Hour)
		}
	}
	netlab.Main(m)
}

// openAndWait opens a network, starts a program on each of its nodes, tells of them,
// and waits to be killed.
func openAndWait() {
	n, err := netlab.OpenLine(2)
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	for _, node := range n.Nodes() {
		cmd := exec.Command("/proc/self/exe")
		cmd.Env = append(os.Environ(), envPart+"=wait")
		err = errors.Join(err, node.Start(cmd))
		namespace, linkErr := os.Readlink(node.Namespace())
		if err = errors.Join(err, linkErr); err == nil {
			fmt.Println(cmd.Process.Pid, namespace)
		}
	}
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	fmt.Println("open")
	for {
		time.Sleep(time.Hour)
	}
}

// tb makes a testing.T what netlab wants.
type tb struct{ *testing.T }

func (t tb) NotRun(reason, remedy string) { t.Skip("not run:", reason, remedy) }

// hop sends an echo request with a TTL and returns who answered, and what.
func hop(t *testing.T, dst netip.Addr, ttl int) (from string, kind string) {
	t.Helper()
	conn, err := icmp.ListenPacket("ip4:icmp", "0.0.0.0")
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.IPv4PacketConn().SetTTL(ttl))
	request, err := (&icmp.Message{Type: ipv4.ICMPTypeEcho, Body: &icmp.Echo{ID: 7, Seq: ttl, Data: []byte("hello")}}).Marshal(nil)
	require.NoError(t, err)
	_, err = conn.WriteTo(request, &net.IPAddr{IP: dst.AsSlice()})
	require.NoError(t, err)
	require.NoError(t, conn.SetReadDeadline(time.Now().Add(2*time.Second)))
	buf := make([]byte, 1500)
	for {
		n, peer, err := conn.ReadFrom(buf)
		require.NoError(t, err)
		m, err := icmp.ParseMessage(1, buf[:n])
		require.NoError(t, err)
		if m.Type != ipv4.ICMPTypeEcho {
			return peer.String(), fmt.Sprint(m.Type)
		}
	}
}

func TestRoutersOnTheWayAnswer(t *testing.T) {
	n := netlab.Line(tb{t}, 3)
	far := n.Node("far")
	for i, want := range []string{"10.0.1.2", "10.0.2.2", "10.0.3.2"} {
		for range 5 { // a limit on answers would be seen here
			from, kind := hop(t, far.Addr4(), i+1)
			require.Equal(t, want+" time exceeded", from+" "+kind)
		}
	}
	from, kind := hop(t, far.Addr4(), 4)
	require.Equal(t, "10.0.4.2 echo reply", from+" "+kind)
}

func TestBothFamiliesReachTheFarHost(t *testing.T) {
	n := netlab.Line(tb{t}, 2)
	far := n.Node("far")
	for _, addr := range []netip.Addr{far.Addr4(), far.Addr6()} {
		l, err := far.Listen("tcp", netip.AddrPortFrom(addr, 0).String())
		require.NoError(t, err)
		conn, err := net.DialTimeout("tcp", l.Addr().String(), 2*time.Second)
		require.NoError(t, err)
		peer, err := l.Accept()
		require.NoError(t, err)
		_, err = peer.Write([]byte("from afar"))
		require.NoError(t, err)
		peer.Close()
		text, err := io.ReadAll(conn)
		require.NoError(t, err)
		require.Equal(t, "from afar", string(text))
		conn.Close()
		l.Close()
	}
}

func TestAnyShape(t *testing.T) {
	n := netlab.New(tb{t})
	// Two ways to far; the shorter one is over r3.
	r1, r2, r3, far, side := n.Router("r1"), n.Router("r2"), n.Router("r3"), n.Host("far"), n.Host("side")
	n.Link(n.Here(), r1)
	n.Link(n.Here(), r3)
	n.Link(r1, r2)
	n.Link(r2, far)
	n.Link(r3, far)
	n.Link(r2, side)
	n.Up(tb{t})
	from, _ := hop(t, netip.MustParseAddr("10.0.5.2"), 1)
	require.Equal(t, "10.0.2.2", from, "the router on the way to far")
	from, kind := hop(t, side.Addr4(), 4)
	require.Equal(t, "10.0.6.2 echo reply", from+" "+kind)
	require.NoError(t, r2.Reject(side.Addr4(), netlab.Prohibited))
	from, kind = hop(t, side.Addr4(), 4)
	require.Equal(t, "10.0.3.2 destination unreachable", from+" "+kind)
}

func TestNothingIsLeftWhenItIsClosed(t *testing.T) {
	interfaces := func() (names []string) {
		all, err := net.Interfaces()
		require.NoError(t, err)
		for _, i := range all {
			names = append(names, i.Name)
		}
		return names
	}
	for range 3 {
		t.Run("", func(t *testing.T) {
			n := netlab.Line(tb{t}, 1)
			n.Scripted(tb{t}, func(netlab.Packet) []netlab.Reply { return nil })
			require.NoError(t, n.Here().Sysctl("net.ipv4.ip_default_ttl", "33"))
			require.ElementsMatch(t, []string{"lo", "to-r1", "to-script"}, interfaces())
		})
		require.Equal(t, []string{"lo"}, interfaces())
		text, err := os.ReadFile("/proc/sys/net/ipv4/ip_default_ttl")
		require.NoError(t, err)
		require.Equal(t, "64\n", string(text))
	}
}

func TestNothingIsLeftWhenTheTestIsKilled(t *testing.T) {
	if reason, remedy := netlab.Forbidden(); reason != "" {
		t.Skip("not run:", reason, remedy)
	}
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	cmd.Env = append(os.Environ(), envPart+"=open and wait")
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	programs, namespaces := map[int]bool{}, map[string]bool{}
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "open" {
		var pid int
		var namespace string
		_, err := fmt.Sscan(lines.Text(), &pid, &namespace)
		require.NoError(t, err, lines.Text())
		programs[pid], namespaces[namespace] = true, true
	}
	require.Len(t, programs, 4, "here, two routers and far")
	require.Len(t, namespaces, 4)
	here, err := os.Readlink("/proc/self/ns/net")
	require.NoError(t, err)
	delete(namespaces, here) // this process is there, too
	_, err = net.InterfaceByName("to-r1")
	require.NoError(t, err)
	require.Len(t, inUse(t, namespaces), 3)

	require.NoError(t, cmd.Process.Kill())
	require.Error(t, cmd.Wait())
	require.Eventually(t, func() bool {
		_, err := net.InterfaceByName("to-r1")
		return err != nil
	}, 10*time.Second, 10*time.Millisecond, "the kernel takes the cable away")
	require.Eventually(t, func() bool {
		for pid := range programs {
			if running(pid) {
				return false
			}
		}
		return true
	}, 10*time.Second, 10*time.Millisecond, "the programs on the nodes end")
	require.Eventually(t, func() bool { return len(inUse(t, namespaces)) == 0 }, 10*time.Second, 10*time.Millisecond, "nobody holds a namespace")
}

// running reports whether a process has not ended. One that has may stay as a zombie
// until it is waited for, proc_pid_stat(5).
func running(pid int) bool {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return false
	}
	_, after, _ := strings.Cut(string(text), ") ")
	return !strings.HasPrefix(after, "Z") && !strings.HasPrefix(after, "X")
}

// inUse are those of the namespaces that a process is in, or has open, or that are
// mounted: one of these keeps a namespace, namespaces(7).
func inUse(t *testing.T, namespaces map[string]bool) map[string]bool {
	t.Helper()
	found := map[string]bool{}
	for _, pattern := range []string{"/proc/[0-9]*/task/*/ns/net", "/proc/[0-9]*/fd/*"} {
		names, err := filepath.Glob(pattern)
		require.NoError(t, err)
		for _, name := range names {
			if to, err := os.Readlink(name); err == nil && namespaces[to] {
				found[to] = true
			}
		}
	}
	mounts, err := os.ReadFile("/proc/self/mountinfo")
	require.NoError(t, err)
	for namespace := range namespaces {
		if strings.Contains(string(mounts), " "+namespace+" ") {
			found[namespace] = true
		}
	}
	return found
}

func TestTheRealMachineIsNeverTouched(t *testing.T) {
	exe, err := os.Executable()
	require.NoError(t, err)
	cmd := exec.Command(exe)
	// Not inside, as far as the process can tell.
	cmd.Env = append(os.Environ(), envPart+"=open and wait", "WORKBOOK_NAMESPACE=")
	out, err := cmd.Output()
	require.Error(t, err)
	require.NotContains(t, string(out), "open\n")
}

func TestCapturesAreCounted(t *testing.T) {
	netlab.New(tb{t})
	before := netlab.Captures()
	const all = unix.ETH_P_ALL << 8 // in network order
	fd, err := unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, all)
	require.NoError(t, err)
	require.Equal(t, before+1, netlab.Captures())
	require.NoError(t, unix.Close(fd))
	require.Equal(t, before, netlab.Captures())
}

func TestScriptedRouterPlaysAPath(t *testing.T) {
	n := netlab.New(tb{t})
	path := netlab.Path{Hops: netlab.Hops("10.1.0.1", "10.1.0.2", "10.1.0.3"), Dst: netip.MustParseAddr("10.9.9.9")}
	path.Hops[1].After = 10 * time.Millisecond
	n.Scripted(tb{t}, path.Answer)
	for ttl, want := range []string{1: "10.1.0.1 time exceeded", "10.1.0.2 time exceeded", "10.1.0.3 time exceeded", "10.9.9.9 echo reply"} {
		if ttl > 0 {
			from, kind := hop(t, path.Dst, ttl)
			require.Equal(t, want, from+" "+kind)
		}
	}
}

// program looks for a program of somebody else.
func program(t *testing.T, name, pkg string) string {
	t.Helper()
	exe, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("not run: %s is not installed (apt-get install %s)", name, pkg)
	}
	return exe
}

func TestOthersProgramsSeeTheSameNetwork(t *testing.T) {
	exe := program(t, "traceroute", "traceroute")
	n := netlab.Line(tb{t}, 2)
	path := netlab.Path{Hops: netlab.Hops("10.1.0.1", "10.1.0.2", "10.1.0.3"), Dst: netip.MustParseAddr("10.9.9.9")}
	path.Hops[0].Labels = []uint32{16, 1 << 19}
	path.Hops[1].Silent = true
	path6 := netlab.Path{Hops: netlab.Hops("fd01::1", "fd01::2"), Dst: netip.MustParseAddr("fd09::9")}
	path6.Hops[1].Stop = netlab.Prohibited
	n.Scripted(tb{t}, func(p netlab.Packet) []netlab.Reply { return append(path.Answer(p), path6.Answer(p)...) })
	times := regexp.MustCompile(` +\d+\.\d+ ms`)
	for _, c := range [][2]string{
		{"-n -q 1 10.0.3.2", "1  10.0.1.2\n2  10.0.2.2\n3  10.0.3.2"},
		{"-n -q 1 fd00:0:0:3::2", "1  fd00:0:0:1::2\n2  fd00:0:0:2::2\n3  fd00:0:0:3::2"},
		{"-n -I -q 1 10.0.3.2", "1  10.0.1.2\n2  10.0.2.2\n3  10.0.3.2"},
		{"-n -e -q 1 -w 0.2 10.9.9.9 200", "1  10.1.0.1 <MPLS:L=16,E=0,S=0,T=1/L=524288,E=0,S=1,T=1>\n2  *\n3  10.1.0.3\n4  10.9.9.9"},
		{"-n -q 1 fd09::9", "1  fd01::1\n2  fd01::2 !X"},
	} {
		out, err := exec.Command(exe, strings.Fields(c[0])...).CombinedOutput()
		require.NoError(t, err, "%s", out)
		_, hops, _ := strings.Cut(times.ReplaceAllString(string(out), ""), "\n")
		var lines []string
		for line := range strings.Lines(hops) {
			lines = append(lines, strings.TrimSpace(line))
		}
		require.Equal(t, c[1], strings.Join(lines, "\n"), "traceroute %s", c[0])
	}
}
