package sockettypes_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	sockettypes "workbook.example/labs/01-socket-types"
	"workbook.example/tools/labtest"
	"workbook.example/tools/sandbox"
)

// word is what an error says, nothing if there is none.
func word(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

// descriptor calls f with the number by which the kernel knows a socket.
func descriptor(c syscall.Conn, f func(fd int) error) error {
	raw, err := c.SyscallConn()
	if err != nil {
		return err
	}
	var inner error
	if err := raw.Control(func(fd uintptr) { inner = f(int(fd)) }); err != nil {
		return err
	}
	return inner
}

// kernelSays is the value of an option, read by the test itself.
func kernelSays(t *labtest.T, c syscall.Conn, level, option int) int {
	t.Helper()
	var value int
	err := descriptor(c, func(fd int) (err error) {
		value, err = unix.GetsockoptInt(fd, level, option)
		return err
	})
	if err != nil {
		t.Fatalf("The test could not read an option of the socket: %v.", err)
	}
	return value
}

// setOption sets an option, by the test itself.
func setOption(t *labtest.T, c syscall.Conn, level, option, value int) {
	t.Helper()
	err := descriptor(c, func(fd int) error { return unix.SetsockoptInt(fd, level, option, value) })
	if err != nil {
		t.Fatalf("The test could not set an option of the socket: %v.", err)
	}
}

// deafen makes the kernel throw away all that comes in for a socket, before
// TCP can acknowledge it: for the other end the cable is cut. It is a filter
// that takes 0 bytes of each packet, see SO_ATTACH_FILTER in socket(7).
func deafen(t *labtest.T, c syscall.Conn) {
	t.Helper()
	nothing := unix.SockFilter{Code: unix.BPF_RET | unix.BPF_K}
	err := descriptor(c, func(fd int) error {
		return unix.SetsockoptSockFprog(fd, unix.SOL_SOCKET, unix.SO_ATTACH_FILTER, &unix.SockFprog{Len: 1, Filter: &nothing})
	})
	if errors.Is(err, unix.EPERM) {
		remedy := "make test-lab 1" // which gives each stage a namespace, where anybody is root
		if iso := isolation(); iso.Level != sandbox.Namespace {
			remedy = iso.Remedy
		}
		t.NotRun("This kernel lets only root cut a TCP connection in its middle (SO_ATTACH_FILTER).", remedy)
	}
	if err != nil {
		t.Fatalf("The test could not cut the connection: %v.", err)
	}
}

// awaitRefusal waits until a connected UDP socket has an error for its next
// call, without taking that error away.
func awaitRefusal(t *labtest.T, c *net.UDPConn) {
	t.Helper()
	t.Eventually("That the kernel reports the refusal", func() bool { return refusalWaits(c) })
}

// refusalWaits says whether a connected UDP socket has an error for its next
// call.
func refusalWaits(c *net.UDPConn) bool {
	var events int16
	descriptor(c, func(fd int) error {
		fds := []unix.PollFd{{Fd: int32(fd)}}
		_, err := unix.Poll(fds, 0)
		events = fds[0].Revents
		return err
	})
	return events&unix.POLLERR != 0
}

func probeSocket() error {
	f, err := sockettypes.Open(unix.AF_INET, unix.SOCK_DGRAM, 0)
	if err != nil {
		return fmt.Errorf("Open: %w", err)
	}
	if f == nil {
		return errors.New("Open returned neither a socket nor an error")
	}
	defer f.Close()
	if _, err := sockettypes.Describe(f); err != nil {
		return fmt.Errorf("Describe: %w", err)
	}
	return nil
}

func probeOptions() error {
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		return err
	}
	defer c.Close()
	if err := sockettypes.SetInt(c, unix.SOL_SOCKET, unix.SO_PRIORITY, 1); err != nil {
		return fmt.Errorf("SetInt: %w", err)
	}
	if value, err := sockettypes.GetInt(c, unix.SOL_SOCKET, unix.SO_PRIORITY); err != nil || value != 1 {
		return fmt.Errorf("GetInt of an option that was set to 1 = %d, %w", value, orNil(err))
	}
	return nil
}

// Some laws hold in a place that a test must make first: another process, with
// a network of its own, with a privilege more or less. Such a test starts this
// program again, to play a part there.

const (
	envPart   = "WORKBOOK_LAB1_PART"   // what to play
	envPlace  = "WORKBOOK_LAB1_PLACE"  // where; empty is right here
	envResult = "WORKBOOK_LAB1_RESULT" // the file for what was seen; the place is added to its name
)

// parts are what can be played; each returns what it saw, for encoding/json.
// The stage that needs them has them.
var parts = map[string]func() any{}

// The places, from one to the next. They are in one user namespace: its settings
// and its privileges are its own, and to make one costs the kernel a lot.
const (
	allButPing = "all-but-ping" // a new namespace: every privilege, but no ping sockets
	everything = "everything"   // the same with ping sockets
	nothing    = "nothing"      // user 0 without CAP_NET_RAW, without ping sockets, without namespaces
	pingOnly   = "ping-only"    // the same with ping sockets
)

// onwards is the way from a place to the next one.
var onwards = map[string]struct {
	to  string
	way func() error
}{
	allButPing: {everything, func() error { return setting("net/ipv4/ping_group_range", "0 0") }},
	everything: {nothing, func() error {
		runtime.LockOSThread() // whose privileges the next program inherits
		return errors.Join(
			freshNetwork(),
			unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_NET_RAW, 0, 0, 0),
			setting("user/max_user_namespaces", "0"))
	}},
	nothing: {pingOnly, func() error { return setting("net/ipv4/ping_group_range", "0 0") }},
}

// freshNetwork gives this thread a network of its own, with a loopback interface
// and the settings that a network has at first: nobody may have ping sockets.
// Once allowed they cannot be forbidden, since that takes a group that a
// namespace with one user does not have.
func freshNetwork() error {
	if err := unix.Unshare(unix.CLONE_NEWNET); err != nil {
		return err
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	lo.SetUint16(unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

func setting(name, value string) error {
	return os.WriteFile("/proc/sys/"+name, []byte(value), 0)
}

// playPart plays the part that this process was started for, if it was, and
// goes on to the next place.
func playPart() {
	part := parts[os.Getenv(envPart)]
	if part == nil {
		return
	}
	err := func() error {
		saw, err := json.Marshal(part())
		if err != nil {
			return err
		}
		place := os.Getenv(envPlace)
		if err := os.WriteFile(os.Getenv(envResult)+place, saw, 0o600); err != nil {
			return err
		}
		next, more := onwards[place]
		if !more {
			return nil
		}
		if err := next.way(); err != nil {
			return err
		}
		os.Setenv(envPlace, next.to)
		return syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	}()
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// isolation is what this machine allows.
var isolation = sync.OnceValue(sandbox.Detect)

// journeys are the parts that were played in all places, by their names: what
// was seen, by the place, and how it ended if not well.
var journeys = map[string]*journey{}

type journey struct {
	saw   map[string][]byte
	ended string
}

// in decodes into result what a part saw in a place.
func in(t *labtest.T, place, part string, result any) {
	t.Helper()
	j := journeys[part]
	if j == nil {
		iso := isolation()
		if iso.Level != sandbox.Namespace {
			t.NotRun("This law is tried in a network namespace, and "+iso.Reason+".", iso.Remedy)
		}
		file := t.TempDir() + "/saw."
		ended := play(t, sandbox.Command(iso, "/proc/self/exe"), part, allButPing, file)
		j = &journey{map[string][]byte{}, ended}
		for _, place := range []string{allButPing, everything, nothing, pingOnly} {
			if saw, err := os.ReadFile(file + place); err == nil {
				j.saw[place] = saw
			}
		}
		journeys[part] = j
	}
	if j.saw[place] == nil {
		t.Broken("Your code was tried in a process with a namespace of its own, which %s.", j.ended)
	}
	if err := json.Unmarshal(j.saw[place], result); err != nil {
		t.Fatalf("%v", err)
	}
}

// play starts cmd, a copy of this program, to play a part, and returns how it
// ended: what to say when it leaves no result.
func play(t *labtest.T, cmd *exec.Cmd, part, place, file string) string {
	t.Helper()
	var stderr strings.Builder
	cmd.Stderr = &stderr
	cmd.Env = append(os.Environ(), envPart+"="+part, envPlace+"="+place, envResult+"="+file)
	if err := cmd.Start(); err != nil {
		t.Fatalf("The test could not start itself again: %v.", err)
	}
	const most = 3 * labtest.Patience
	timer := time.AfterFunc(most, func() { cmd.Process.Kill() })
	err := cmd.Wait()
	if inTime := timer.Stop(); err != nil && !inTime {
		return fmt.Sprintf("did not finish within %v: something in it waits in the kernel", most)
	}
	if err == nil {
		return "ended without a result"
	}
	ended := fmt.Sprintf("ended without a result (%v)", err)
	if said := strings.TrimSpace(stderr.String()); said != "" {
		ended += ". It said: " + strings.TrimSuffix(said, ".")
	}
	return ended
}
