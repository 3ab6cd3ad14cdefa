package rawdiag_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/course"
	"workbook.example/tools/run"
	"workbook.example/tools/sources"
)

// Here the lab's program, built from the solution, is used as people use it.

var update = flag.Bool("update", false, "write the golden files anew")

// build builds the program once for all tests.
var build = sync.OnceValues(func() (string, error) { return built(sources.Solution) })

// built is the program, built from what code gives.
func built(code func(*course.Lab) (*sources.Set, error)) (string, error) {
	c, err := course.Open(".")
	if err != nil {
		return "", err
	}
	lab, err := c.Lab("05-raw-diagnostics")
	if err != nil {
		return "", err
	}
	set, err := code(lab)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "diag")
	if err != nil {
		return "", err
	}
	return run.Program(context.Background(), lab, set, dir)
}

// diag runs the program and returns what it says on both outputs, and its exit status.
func diag(t *testing.T, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	exe, err := build()
	require.NoError(t, err)
	return ran(t, exe, args...)
}

// ran runs a program.
func ran(t *testing.T, exe string, args ...string) (stdout, stderr string, status int) {
	t.Helper()
	var out, said bytes.Buffer
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Stdout, cmd.Stderr = &out, &said
	err := cmd.Run()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return out.String(), said.String(), cmd.ProcessState.ExitCode()
}

// expectGolden compares what was said with a file that has been read by somebody.
func expectGolden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

var chat = filepath.Join("..", "..", "labs", "05-raw-diagnostics", "testdata", "chat.pcapng")

func TestRecordedChatIsPrinted(t *testing.T) {
	out, said, status := diag(t, "flows", chat)
	require.Zero(t, status, said)
	expectGolden(t, "flows.golden", out)
}

// without builds the program from the solution, but for a file that is not written yet.
func without(t *testing.T, name string) string {
	t.Helper()
	exe, err := built(func(lab *course.Lab) (*sources.Set, error) {
		dir := t.TempDir()
		if err := os.CopyFS(dir, os.DirFS(sources.SolutionDir(lab))); err != nil {
			return nil, err
		}
		stub, err := os.ReadFile(filepath.Join(lab.Dir, name))
		if err != nil {
			return nil, err
		}
		if err := os.WriteFile(filepath.Join(dir, name), stub, 0o600); err != nil {
			return nil, err
		}
		return sources.Folder(lab, dir)
	})
	require.NoError(t, err)
	return exe
}

// What is said to somebody who is not done with the lab.
func TestUnfinishedStagesAreTold(t *testing.T) {
	for file, want := range map[string]string{
		"decode.go": "diag: " + chat + ", behind 1 frames: Decode: not implemented yet (labs/05-raw-diagnostics/README.md#6-decoding)\n",
		"flows.go":  "diag: 114 frames carry TCP or UDP, and Flows has counted none of them (labs/05-raw-diagnostics/README.md#9-analysis)\n",
	} {
		out, said, status := ran(t, without(t, file), "flows", chat)
		require.Empty(t, out)
		require.Equal(t, want, said)
		require.Equal(t, 1, status)
	}
}

// What is said to somebody who asks, or who got it wrong.
func TestUseIsExplained(t *testing.T) {
	noCapture := filepath.Join(t.TempDir(), "notes.txt")
	require.NoError(t, os.WriteFile(noCapture, []byte("this is no capture"), 0o600))
	var all strings.Builder
	for _, args := range []string{
		"", "-h", "ping -h", "trace -h", "sniff -h", "flows -h",
		"dance", "ping", "ping a b", "ping -c x 127.0.0.1", "ping -s 70000 127.0.0.1", "ping -t 300 127.0.0.1", "ping -W 0s 127.0.0.1",
		"trace", "trace -m 0 127.0.0.1", "sniff", "sniff lo tcp prot 8888", "sniff lo port 0", "sniff lo host far", "sniff lo icmp port 8888", "sniff -c -1 lo",
		"flows", "flows nosuch.pcapng", "flows " + noCapture,
	} {
		out, said, status := diag(t, strings.Fields(args)...)
		fmt.Fprintf(&all, "$ %s\n%s%s(exit status %d)\n\n", strings.TrimSpace("diag "+args), out, said, status)
	}
	expectGolden(t, "use.golden", strings.ReplaceAll(all.String(), noCapture, "notes.txt"))
}
