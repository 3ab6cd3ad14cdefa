package sandbox_test

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/sys/unix"

	"workbook.example/tools/result"
	"workbook.example/tools/sandbox"
)

// A part is what a copy of this test binary does when it is started with the
// part's name in envPart.
const envPart = "SANDBOX_TEST_PART"

var parts = map[string]func() error{
	"look around": lookAround,
	"detect":      detect,
	"parent":      parent,
	"wait":        wait,
	"inside":      inside,
}

func TestMain(m *testing.M) {
	sandbox.Init()
	if part := parts[os.Getenv(envPart)]; part != nil {
		if err := part(); err != nil {
			fmt.Println(err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// namespace is the isolation of this machine; the test is skipped where it has
// none.
func namespace(t *testing.T) result.Isolation {
	t.Helper()
	iso := sandbox.Detect()
	if iso.Level != sandbox.Namespace {
		t.Skipf("%s; %s", iso.Reason, iso.Remedy)
	}
	return iso
}

func play(cmd *exec.Cmd, part string, env ...string) *exec.Cmd {
	cmd.Env = append(append(os.Environ(), envPart+"="+part), env...)
	return cmd
}

func self(t *testing.T) string {
	t.Helper()
	exe, err := os.Executable()
	require.NoError(t, err)
	return exe
}

func lookAround() error {
	interfaces, err := net.Interfaces()
	if err != nil {
		return err
	}
	for _, i := range interfaces {
		fmt.Println("interface", i.Name, i.Flags&net.FlagUp != 0)
	}
	for _, address := range []string{"127.0.0.1:8888", "[::1]:8888"} {
		l, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		c, err := net.Dial("tcp", l.Addr().String())
		if err != nil {
			return err
		}
		c.Close()
		l.Close()
	}
	if c, err := net.Dial("tcp", os.Getenv("OUTSIDE")); err == nil {
		c.Close()
		return errors.New("there is a way out")
	}
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	if err != nil {
		return fmt.Errorf("raw socket: %w", err)
	}
	return unix.Close(fd)
}

func TestANamespaceHasALoopbackOfItsOwn(t *testing.T) {
	iso := namespace(t)
	outside, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer outside.Close()
	// Several at once can have the same port.
	for range 2 {
		t.Run("", func(t *testing.T) {
			t.Parallel()
			out, err := play(sandbox.Command(iso, self(t)), "look around", "OUTSIDE="+outside.Addr().String()).CombinedOutput()
			require.NoError(t, err, "%s", out)
			require.Equal(t, "interface lo true\n", string(out))
		})
	}
}

func inside() error {
	fmt.Print(sandbox.Inside())
	return nil
}

func TestAProcessKnowsWhetherItIsInside(t *testing.T) {
	require.False(t, sandbox.Inside())
	iso := namespace(t)
	out, err := play(sandbox.Command(iso, self(t)), "inside").Output()
	require.NoError(t, err)
	require.Equal(t, "true", string(out))
	// What the environment says is true of one namespace only.
	out, err = play(exec.Command(self(t)), "inside", "WORKBOOK_NAMESPACE=net:[1]").Output()
	require.NoError(t, err)
	require.Equal(t, "false", string(out))
}

func detect() error {
	fmt.Print(sandbox.Detect().Level)
	return nil
}

func TestNobodyGetsANamespaceToo(t *testing.T) {
	namespace(t)
	if os.Getuid() != 0 {
		t.Skip("only root can become nobody; run `sudo go test ./sandbox`")
	}
	// The test binary is where only root may look.
	dir := filepath.Join(os.TempDir(), fmt.Sprintf("sandbox-test-%d", os.Getpid()))
	require.NoError(t, os.Mkdir(dir, 0o755))
	defer os.RemoveAll(dir)
	text, err := os.ReadFile(self(t))
	require.NoError(t, err)
	exe := filepath.Join(dir, "copy")
	require.NoError(t, os.WriteFile(exe, text, 0o755))

	cmd := play(exec.Command(exe), "detect")
	cmd.Dir = "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := cmd.CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.Equal(t, sandbox.Namespace, string(out))
}

// wait says that it is there, once it waits, and ends when it is ended. Whoever asks a
// program what it does while it is busy, in code that is not Go's maybe, may hear nothing
// of that.
func wait() error {
	go func() {
		stacks := make([]byte, 64<<10)
		for !bytes.Contains(stacks[:runtime.Stack(stacks, true)], []byte("goroutine 1 [sleep")) {
			time.Sleep(time.Millisecond)
		}
		fmt.Println("waiting")
	}()
	// With select {} the runtime of a program without C in it would see that
	// nobody can go on, and end it at the moment at which the test asks.
	for {
		time.Sleep(time.Hour)
	}
}

// output is what a process, which is not started yet, prints. Reading it fails if that
// takes for ever.
func output(t *testing.T, cmd *exec.Cmd) *bufio.Reader {
	t.Helper()
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, out.(*os.File).SetReadDeadline(time.Now().Add(30*time.Second)))
	return bufio.NewReader(out)
}

// parent starts a process in the sandbox and stays.
func parent() error {
	cmd := play(sandbox.Command(result.Isolation{Level: os.Getenv("LEVEL")}, os.Args[0]), "wait")
	cmd.Stdout = os.Stdout
	if err := cmd.Start(); err != nil {
		return err
	}
	return cmd.Wait()
}

func TestAProcessDiesWithTheOneThatStartedIt(t *testing.T) {
	for _, level := range []string{namespace(t).Level, sandbox.None} {
		cmd := play(exec.Command(self(t)), "parent", "LEVEL="+level)
		lines := output(t, cmd)
		require.NoError(t, cmd.Start())
		line, err := lines.ReadString('\n')
		require.NoError(t, err)
		require.Equal(t, "waiting\n", line)
		require.NoError(t, cmd.Process.Kill())
		// The pipe ends when nobody is left who could write to it.
		_, err = io.Copy(io.Discard, lines)
		require.NoError(t, err)
		_ = cmd.Wait()
	}
}

func TestKillReachesTheGroup(t *testing.T) {
	for _, level := range []string{namespace(t).Level, sandbox.None} {
		// A shell with a child in the background: both must go.
		cmd := sandbox.Command(result.Isolation{Level: level}, "/bin/sh", "-c", "sleep 60 & echo started; exec sleep 60")
		lines := output(t, cmd)
		require.NoError(t, cmd.Start())
		_, err := lines.ReadString('\n')
		require.NoError(t, err)
		sandbox.Kill(cmd)
		_, err = io.Copy(io.Discard, lines) // ends when both have gone
		require.NoError(t, err)
		require.Error(t, cmd.Wait())
	}
}

func TestDumpAsksForTheGoroutines(t *testing.T) {
	for _, level := range []string{namespace(t).Level, sandbox.None} {
		cmd := play(sandbox.Command(result.Isolation{Level: level}, self(t)), "wait")
		lines := output(t, cmd)
		cmd.Stderr = cmd.Stdout
		require.NoError(t, cmd.Start())
		_, err := lines.ReadString('\n')
		require.NoError(t, err)
		sandbox.Dump(cmd)
		dump, err := io.ReadAll(lines)
		require.NoError(t, err)
		require.Contains(t, string(dump), "SIGQUIT: quit")
		require.Contains(t, string(dump), "sandbox_test.wait")
		require.Error(t, cmd.Wait())
	}
}

func TestTheSwitchTurnsItOff(t *testing.T) {
	t.Setenv(sandbox.EnvSwitch, "off")
	iso := sandbox.Detect()
	require.Equal(t, sandbox.None, iso.Level)
	require.NotEmpty(t, iso.Reason)
	require.NotEmpty(t, iso.Remedy)
	out, err := sandbox.Command(iso, "/bin/echo", "hello").Output()
	require.NoError(t, err)
	require.Equal(t, "hello\n", string(out))
}
