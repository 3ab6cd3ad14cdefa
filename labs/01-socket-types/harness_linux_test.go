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
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	sockettypes "workbook.example/labs/01-socket-types"
	"workbook.example/tools/labtest"
	"workbook.example/tools/sandbox"
)

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
		if iso := sandbox.Detect(); iso.Level != sandbox.Namespace {
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
	t.Eventually("That the kernel reports the refusal", func() bool {
		var events int16
		descriptor(c, func(fd int) error {
			fds := []unix.PollFd{{Fd: int32(fd)}}
			_, err := unix.Poll(fds, 0)
			events = fds[0].Revents
			return err
		})
		return events&unix.POLLERR != 0
	})
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
	envResult = "WORKBOOK_LAB1_RESULT" // where to write what was seen
	envSetUp  = "WORKBOOK_LAB1_SETUP"  // what to do first, separated by spaces
)

// Set-ups of the place where a part is played.
const (
	allowPing    = "allow-ping"    // ping sockets for everybody
	dropRaw      = "drop-raw"      // root without the capability CAP_NET_RAW
	noNamespaces = "no-namespaces" // no more namespaces below this one
)

// setUps are done by the process that plays the part. The network and the
// privileges are those of its namespace, and nobody else's.
var setUps = map[string]func() error{
	allowPing: func() error {
		return os.WriteFile("/proc/sys/net/ipv4/ping_group_range", []byte("0 0"), 0)
	},
	noNamespaces: func() error {
		return os.WriteFile("/proc/sys/user/max_user_namespaces", []byte("0"), 0)
	},
	dropRaw: func() error {
		runtime.LockOSThread()
		return unix.Prctl(unix.PR_CAPBSET_DROP, unix.CAP_NET_RAW, 0, 0, 0)
	},
}

// parts are what can be played; each returns what it saw, for encoding/json.
var parts = map[string]func() any{
	"probe":     playProbe,
	"open icmp": playOpenICMP,
	"connect":   playConnect,
}

// playPart plays the part that this process was started for, if it was.
func playPart() {
	part := parts[os.Getenv(envPart)]
	if part == nil {
		return
	}
	if first := os.Getenv(envSetUp); first != "" {
		for _, name := range strings.Fields(first) {
			if err := setUps[name](); err != nil {
				fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
				os.Exit(1)
			}
		}
		// What may be inherited takes effect with the next program.
		os.Unsetenv(envSetUp)
		fmt.Fprintln(os.Stderr, syscall.Exec("/proc/self/exe", os.Args, os.Environ()))
		os.Exit(1)
	}
	saw, err := json.Marshal(part())
	if err == nil {
		err = os.WriteFile(os.Getenv(envResult), saw, 0o600)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

// inNamespace starts this program again in a namespace of its own, to play a
// part there, and decodes what it saw into result.
func inNamespace(t *labtest.T, part string, result any, setUp ...string) {
	t.Helper()
	iso := sandbox.Detect()
	if iso.Level != sandbox.Namespace {
		t.NotRun("This law is tried in a network namespace, and "+iso.Reason+".", iso.Remedy)
	}
	cmd := sandbox.Command(iso, "/proc/self/exe")
	play(t, cmd, part, result, setUp...)
}

// play starts cmd, a copy of this program, to play a part, and decodes what it
// saw into result.
func play(t *labtest.T, cmd *exec.Cmd, part string, result any, setUp ...string) {
	t.Helper()
	file := t.TempDir() + "/saw.json"
	var stderr strings.Builder
	cmd.Stderr = &stderr
	cmd.Env = append(os.Environ(), envPart+"="+part, envResult+"="+file, envSetUp+"="+strings.Join(setUp, " "))
	if err := cmd.Start(); err != nil {
		t.Fatalf("The test could not start itself again: %v.", err)
	}
	timer := time.AfterFunc(2*labtest.Patience, func() { cmd.Process.Kill() })
	defer timer.Stop()
	err := cmd.Wait()
	saw, errRead := os.ReadFile(file)
	if err != nil || errRead != nil {
		t.Fatalf("A process that was to try your code in a namespace of its own ended without a result (%v). It said: %s", err, stderr.String())
	}
	if err := json.Unmarshal(saw, result); err != nil {
		t.Fatalf("%v", err)
	}
}
