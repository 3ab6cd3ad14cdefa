package sockettypes_test

import (
	"bytes"
	"context"
	"net"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/course"
	"workbook.example/tools/run"
	"workbook.example/tools/sources"
)

// Here the lab's program, built from the solution, is used as a person does.

// buildSockets builds the program once for all tests.
var buildSockets = sync.OnceValues(func() (string, error) {
	c, err := course.Open(".")
	if err != nil {
		return "", err
	}
	lab, err := c.Lab("01-socket-types")
	if err != nil {
		return "", err
	}
	set, err := sources.Solution(lab)
	if err != nil {
		return "", err
	}
	return run.Program(context.Background(), lab, set, buildDir)
})

// sockets runs the program and returns what it said and its exit code.
func sockets(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	exe, err := buildSockets()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, exe, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	require.NoError(t, ctx.Err(), "sockets %q does not end", args)
	if code = cmd.ProcessState.ExitCode(); code < 0 {
		require.NoError(t, err)
	}
	return out.String(), errs.String(), code
}

func linux(t *testing.T) {
	t.Helper()
	if runtime.GOOS != "linux" {
		t.Skip("the numbers are Linux's")
	}
}

func TestEveryKindIsInTheTable(t *testing.T) {
	linux(t)
	out, errs, code := sockets(t)
	require.Zero(t, code, errs)
	require.Empty(t, errs)
	for _, kind := range []string{"Go listener, TCP", "TCP connection", "UDP socket", "Unix stream", "Unix datagrams",
		"ping socket", "raw ICMP", "raw, IPPROTO_RAW", "packet"} {
		_, rest, found := strings.Cut(out, "\n"+kind+" ")
		require.True(t, found || strings.HasPrefix(out, kind), "no %s in\n%s", kind, out)
		if !found {
			rest = out
		}
		lines := strings.SplitN(rest, "\n", 3)
		require.Regexp(t, `AF_\w+ \(\d+\)  SOCK_\w+ \(\d+\)  (IPPROTO_\w+ \(\d+\)|0)$|not allowed here \(.+\); this allows it: .+`, lines[1], kind)
	}
}

func TestNamedSocketIsDescribed(t *testing.T) {
	linux(t)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer l.Close()
	u, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	require.NoError(t, err)
	defer u.Close()
	for _, use := range []struct {
		args []string
		says []string
	}{
		{[]string{l.Addr().String()}, []string{"IPPROTO_TCP (6), from 127.0.0.1:", " to " + l.Addr().String(), "state          ESTABLISHED"}},
		{[]string{"tcp:" + l.Addr().String()}, []string{"IPPROTO_TCP (6)"}},
		{[]string{"udp:127.0.0.1:9"}, []string{"SOCK_DGRAM (2)", "peer           127.0.0.1:9"}},
		{[]string{u.Addr().String()}, []string{"AF_UNIX (1)", "listener       process "}},
		{[]string{"-listen", "127.0.0.1:0"}, []string{"listening on 127.0.0.1:", "reuse address  1"}},
		{[]string{"-listen", "udp:127.0.0.1:0"}, []string{"SOCK_DGRAM (2)", "own address    127.0.0.1:"}},
		{[]string{"-listen", filepath.Join(t.TempDir(), "mine")}, []string{"AF_UNIX (1)", "listening on /"}},
	} {
		out, errs, code := sockets(t, use.args...)
		require.Zero(t, code, "%q: %s", use.args, errs)
		for _, text := range use.says {
			require.Contains(t, out, text, use.args)
		}
	}
}

func TestWhatIsWrongIsSaidInASentence(t *testing.T) {
	linux(t)
	gone, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	gone.Close()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	defer taken.Close()
	socket := filepath.Join(t.TempDir(), "s")
	name, err := net.Listen("unix", socket)
	require.NoError(t, err)
	defer name.Close()
	for _, use := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{gone.Addr().String()}, 1, "Nobody listens there."},
		{[]string{"-listen", taken.Addr().String()}, 1, "Somebody has that port."},
		{[]string{"127.0.0.1"}, 2, "has no port; say for example 127.0.0.1:8888"},
		{[]string{"::1"}, 2, "has no port; say for example [::1]:8888"},
		{[]string{"::1:8888"}, 2, "did you mean [::1]:8888?"},
		{[]string{":8888"}, 2, "which one? Say for example 127.0.0.1:8888."},
		{[]string{"udp:"}, 2, "which host, and which port?"},
		{[]string{"127.0.0.1:no-such-service"}, 1, "No such service."},
		{[]string{"-listen", "0.0.0.1:0"}, 1, "This machine does not have that address"},
		{[]string{"somewhere"}, 2, "names no socket"},
		{[]string{""}, 2, "names no socket"},
		{[]string{"127.0.0.1:70000"}, 1, "70000"},
		{[]string{"127.0.0.1:\x1b[31m"}, 2, "sockets: "},
		{[]string{"/no/such/socket"}, 1, "no such file"},
		{[]string{"-listen", socket}, 1, "There is something by that name."},
		{[]string{"-listen"}, 2, "-listen needs an address"},
		{[]string{"127.0.0.1:1", "127.0.0.1:2"}, 2, "one address at a time"},
		{[]string{"-no-such-flag"}, 2, "sockets -listen"},
		{[]string{"-h"}, 0, "sockets 127.0.0.1:8888"},
	} {
		out, errs, code := sockets(t, use.args...)
		require.Equal(t, use.code, code, "%q: %s", use.args, errs)
		require.Contains(t, errs, use.says, use.args)
		require.NotContains(t, errs, "\x1b", use.args)
		require.Empty(t, out, use.args)
	}
}
