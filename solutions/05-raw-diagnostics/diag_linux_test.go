package rawdiag_test

import (
	"bufio"
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

	"workbook.example/tools/netlab"
)

// figures are what differs from run to run.
var figures = regexp.MustCompile(`\d+(\.\d+)? ms`)

func masked(text string) string { return figures.ReplaceAllString(text, "N ms") }

func TestDiagPingsAndTraces(t *testing.T) {
	netlab.Line(tb{t}, 2)
	var all strings.Builder
	for _, args := range []string{
		"ping -c 3 -i 10ms 10.0.3.2", "ping -q -c 3 -i 0s -6 fd00:0:0:3::2", "ping -c 2 -i 10ms -t 2 -raw 10.0.3.2", "ping -c 1 10.0.77.1",
		"trace 10.0.3.2", "trace -6 -I -q 1 fd00:0:0:3::2", "trace -m 2 10.0.3.2",
	} {
		out, said, status := diag(t, strings.Fields(args)...)
		fmt.Fprintf(&all, "$ diag %s\n%s%s(exit status %d)\n\n", args, out, said, status)
	}
	expectGolden(t, "network.golden", masked(all.String()))
}

// started is diag, running, and its lines.
func started(t *testing.T, args ...string) (cmd *exec.Cmd, out, said *bufio.Scanner) {
	t.Helper()
	exe, err := build()
	require.NoError(t, err)
	return startedProgram(t, exe, args...)
}

// startedProgram is any program, running, and its lines.
func startedProgram(t *testing.T, exe string, args ...string) (cmd *exec.Cmd, out, said *bufio.Scanner) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), exe, args...)
	scan := func(pipe io.Reader, err error) *bufio.Scanner {
		require.NoError(t, err)
		return bufio.NewScanner(pipe)
	}
	out, said = scan(cmd.StdoutPipe()), scan(cmd.StderrPipe())
	require.NoError(t, cmd.Start())
	late := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	t.Cleanup(func() { late.Stop(); cmd.Process.Kill() })
	return cmd, out, said
}

func TestInterruptedPingTellsItsFigures(t *testing.T) {
	netlab.Line(tb{t}, 0)
	cmd, out, _ := started(t, "ping", "-i", "10ms", "10.0.1.2")
	for range 3 {
		require.True(t, out.Scan())
	}
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	var last []string
	for out.Scan() {
		last = append(last, out.Text())
	}
	require.NoError(t, cmd.Wait())
	require.Regexp(t, `^\d+ sent, \d+ answered, 0 lost, 0 refused`, last[len(last)-2])
	require.Regexp(t, `^min .* ms, avg .* ms, max .* ms, mdev .* ms$`, last[len(last)-1])
}

// tell sends so many datagrams of three bytes to port 9944 of far, all from one port.
func tell(t *testing.T, n *netlab.Net, count int) {
	t.Helper()
	// A connected socket would hear that nobody listens there, and not send the next.
	conn, err := net.ListenPacket("udp4", "0.0.0.0:0")
	require.NoError(t, err)
	defer conn.Close()
	for range count {
		_, err := conn.WriteTo([]byte("hi\n"), net.UDPAddrFromAddrPort(netip.AddrPortFrom(n.Node("far").Addr4(), 9944)))
		require.NoError(t, err)
	}
}

func TestDiagSniffs(t *testing.T) {
	n := netlab.Line(tb{t}, 0)
	cmd, out, said := started(t, "sniff", "-c", "2", "to-far", "udp", "host", "10.0.1.2", "port", "9944")
	require.True(t, said.Scan())
	require.Equal(t, "capturing on to-far; Ctrl-C ends it", said.Text())
	awaitCapture(t)
	tell(t, n, 2)
	for range 2 {
		require.True(t, out.Scan())
		require.Regexp(t, `^\d\d:\d\d:\d\d\.\d{6} 10\.0\.1\.1:\d+ > 10\.0\.1\.2:9944: UDP, 3 of data, 45 bytes$`, out.Text())
	}
	require.True(t, said.Scan())
	require.Equal(t, "2 frames captured, 0 dropped by the kernel", said.Text())
	require.NoError(t, cmd.Wait())
}

func TestSniffedFileHasItsFlows(t *testing.T) {
	n := netlab.Line(tb{t}, 0)
	file := filepath.Join(t.TempDir(), "sniffed.pcapng")
	cmd, _, said := started(t, "sniff", "-w", file, "to-far", "udp")
	require.True(t, said.Scan())
	require.Equal(t, "capturing on to-far to "+file+"; Ctrl-C ends it", said.Text())
	awaitCapture(t)
	tell(t, n, 5)
	require.NoError(t, cmd.Process.Signal(os.Interrupt))
	require.True(t, said.Scan())
	require.Equal(t, "5 frames captured, 0 dropped by the kernel", said.Text())
	require.NoError(t, cmd.Wait())
	out, _, status := diag(t, "flows", file)
	require.Zero(t, status)
	require.Regexp(t, `UDP  10\.0\.1\.1:\d+  10\.0\.1\.2:9944  5, 0 +225, 0`, out)
}

func TestSniffedFileOutlivesMistypedInterface(t *testing.T) {
	netlab.Line(tb{t}, 0)
	file := filepath.Join(t.TempDir(), "sniffed.pcapng")
	require.NoError(t, os.WriteFile(file, []byte("of yesterday"), 0o600))
	_, said, status := diag(t, "sniff", "-w", file, "to-fra")
	require.Equal(t, 1, status)
	require.Contains(t, said, "to-fra")
	kept, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, "of yesterday", string(kept))
}

func TestUnfinishedDecodeEndsSniff(t *testing.T) {
	exe := without(t, "decode.go")
	n := netlab.Line(tb{t}, 0)
	cmd, out, said := startedProgram(t, exe, "sniff", "to-far", "udp")
	require.True(t, said.Scan())
	awaitCapture(t)
	tell(t, n, 1)
	require.True(t, said.Scan())
	require.Equal(t, "diag: Decode: not implemented yet (labs/05-raw-diagnostics/README.md#6-decoding)", said.Text())
	require.False(t, out.Scan())
	require.Error(t, cmd.Wait())
}

// awaitCapture waits until somebody here captures.
func awaitCapture(t *testing.T) {
	t.Helper()
	require.Eventually(t, func() bool { return netlab.Captures() > 0 }, 10*time.Second, time.Millisecond)
}
