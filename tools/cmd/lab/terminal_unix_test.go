//go:build unix

package main_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

// onTerminal runs the command on a terminal of its own and returns what it
// wrote there.
func onTerminal(t *testing.T, columns uint16, cmd *exec.Cmd) string {
	t.Helper()
	terminal, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: columns})
	require.NoError(t, err)
	defer terminal.Close()
	out, _ := io.ReadAll(terminal) // ends with EIO when the other side is closed
	_ = cmd.Wait()
	return string(out)
}

func TestColourOnlyOnATerminalAndNeverWithNoColor(t *testing.T) {
	root := workbook(t)
	const red = "\x1b[31m✗"
	list := func(env ...string) *exec.Cmd {
		cmd := command(root, "test", "1", "--race=off")
		cmd.Env = append(os.Environ(), env...)
		return cmd
	}
	require.NotContains(t, finish(t, list("TERM=xterm")).out, "\x1b")
	require.Contains(t, onTerminal(t, 80, list("TERM=xterm", "NO_COLOR=")), red)
	require.NotContains(t, onTerminal(t, 80, list("TERM=xterm", "NO_COLOR=1")), "\x1b[3")
	require.NotContains(t, onTerminal(t, 80, list("TERM=dumb", "NO_COLOR=")), "\x1b")
}

func TestATerminalShowsHowFarItIs(t *testing.T) {
	cmd := command(workbook(t), "test", "1", "--race=off")
	cmd.Env = append(os.Environ(), "TERM=xterm")
	out := onTerminal(t, 80, cmd)
	require.Contains(t, out, "Lab 1: building …")
	require.Contains(t, out, "Lab 1: stage 2 of 3, Echo …")
}

func TestProseFitsTheTerminal(t *testing.T) {
	cmd := command(workbook(t), "test", "1", "--race=off")
	cmd.Env = append(os.Environ(), "TERM=dumb")
	for line := range strings.Lines(onTerminal(t, 50, cmd)) {
		if !strings.Contains(line, "labs/") {
			require.LessOrEqual(t, len([]rune(strings.TrimRight(line, "\r\n"))), 50, line)
		}
	}
}

func TestRunGivesTheProgramEverything(t *testing.T) {
	root := workbook(t)
	solve(t, root, filepath.Join(root, "labs", "01-echo"))

	cmd := command(root, "run", "1", "--", "-x", "y")
	cmd.Stdin = strings.NewReader("hello\n")
	a := finish(t, cmd)
	require.Equal(t, answer{out: "1 + 1 = 2 [-x y]\nhello\n"}, a)

	cmd = command(filepath.Join(root, "labs", "01-echo"), "run", "--solution")
	cmd.Stdin = strings.NewReader("")
	require.Equal(t, answer{out: "1 + 1 = 2 []\n"}, finish(t, cmd))
}

func TestRunPassesASignalAndAStatusOn(t *testing.T) {
	root := workbook(t)
	cmd := command(root, "run", "1", "--solution")
	in, err := cmd.StdinPipe()
	require.NoError(t, err)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	_, err = io.WriteString(in, "wait\n")
	require.NoError(t, err)
	lines := bufio.NewScanner(out)
	for lines.Scan() && lines.Text() != "waiting" {
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGINT))
	require.True(t, lines.Scan())
	require.Equal(t, "got interrupt", lines.Text())
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Wait(), &exit)
	require.Equal(t, 7, exit.ExitCode())
}

func TestRunTellsWhyItDoesNotBuild(t *testing.T) {
	root := workbook(t)
	replace(t, filepath.Join(root, "labs", "01-echo", "sum.go"), "return 0", "return zero")
	a := call(t, root, "run", "1")
	require.Equal(t, 1, a.status)
	golden(t, "run-does-not-build", a.err)
}
