package postmortem_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/postmortem"
)

var update = flag.Bool("update", false, "write the golden files anew")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

var binDir string

func TestMain(m *testing.M) {
	var err error
	if binDir, err = os.MkdirTemp("", "postmortem"); err != nil {
		panic(err)
	}
	code := m.Run()
	os.RemoveAll(binDir)
	os.Exit(code)
}

// build builds testdata/judged, without paths of this machine in it.
func build(name, cgo string, flags ...string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		binary := filepath.Join(binDir, name)
		cmd := exec.Command("go", append([]string{"build", "-trimpath", "-o", binary}, flags...)...)
		cmd.Dir = filepath.Join("testdata", "judged")
		cmd.Env = append(os.Environ(), "GOWORK=off", "CGO_ENABLED="+cgo)
		if out, err := cmd.CombinedOutput(); err != nil {
			return "", errors.New(string(out))
		}
		return binary, nil
	})
}

var (
	plain  = build("plain", "0") // with C in it, the runtime does not notice that all goroutines are asleep
	racing = build("racing", "1", "-race")
)

var scope = postmortem.Scope{
	Package: "judged.example/server",
	Short:   func(file string) string { return strings.TrimPrefix(file, "judged.example/") },
}

// dump is what the program prints when it gets into some trouble.
func dump(t *testing.T, binary func() (string, error), trouble string) []byte {
	t.Helper()
	path, err := binary()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, trouble)
	cmd.Env = append(os.Environ(), "GOTRACEBACK=", "GORACE=atexit_sleep_ms=0")
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	return out
}

// TestWords holds what a learner reads about each sort of trouble against a
// golden file.
func TestWords(t *testing.T) {
	for _, trouble := range []string{
		"accept", "connections", "write", "pipe", "datagram", "mutex", "once", "channels", "waits", "sleep",
		"compute", "nothing", "panic", "recovered", "nil", "asleep", "maps",
	} {
		t.Run(trouble, func(t *testing.T) {
			t.Parallel()
			out := dump(t, plain, trouble)
			golden(t, trouble, postmortem.Parse(out, scope).String())
		})
	}
}

// TestStuck keeps of a report who waits for a lock and who may hold one.
func TestStuck(t *testing.T) {
	t.Parallel()
	golden(t, "stuck", postmortem.Parse(dump(t, plain, "held"), scope).Stuck().String())
	require.Empty(t, postmortem.Parse(dump(t, plain, "connections"), scope).Stuck().String())
}

func TestRace(t *testing.T) {
	if out, err := exec.Command("go", "env", "CGO_ENABLED").Output(); err != nil || strings.TrimSpace(string(out)) != "1" {
		t.Skip("the race detector needs a C compiler")
	}
	r := postmortem.Parse(dump(t, racing, "race"), scope)
	require.Len(t, r.Races, 1)
	require.Len(t, r.Races[0].Accesses, 2)
	require.True(t, r.Races[0].Accesses[0].Mine)
	golden(t, "race", inOrder(r.Races[0]).String())
}

// inOrder puts the write first: which side the detector sees first is chance.
func inOrder(r postmortem.Race) postmortem.Race {
	if a := r.Accesses; !a[0].Write {
		a[0], a[1] = a[1], a[0]
	}
	return r
}

// TestQuit reads what a process prints that is told to quit, which has the
// frames of the runtime in it too.
func TestQuit(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no SIGQUIT")
	}
	path, err := plain()
	require.NoError(t, err)
	cmd := exec.Command(path, "connections", "stay")
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	var stderr strings.Builder
	cmd.Stderr = &stderr
	require.NoError(t, cmd.Start())
	for in := bufio.NewScanner(stdout); in.Scan() && in.Text() != "ready"; {
	}
	require.NoError(t, cmd.Process.Signal(syscall.SIGQUIT))
	require.Error(t, cmd.Wait())
	golden(t, "connections", postmortem.Parse([]byte(stderr.String()), scope).String())
}

func TestOutputAroundADumpIsNoMatter(t *testing.T) {
	out := dump(t, plain, "mutex")
	noisy := "panic at the disco\nserving on :8888" + "\n" + string(out) + "\ndone"
	require.Equal(t, postmortem.Parse(out, scope), postmortem.Parse([]byte(noisy), scope))
}

func TestSeveralDumpsAreRead(t *testing.T) {
	out := dump(t, plain, "sleep")
	r := postmortem.Parse(append(append(out, "\n\nand then\n\n"...), dump(t, plain, "mutex")...), scope)
	require.Len(t, r.Goroutines, 3)
}

func TestFirstIsListedFirst(t *testing.T) {
	out := dump(t, plain, "channels")
	with := scope
	with.First = "judged.example/server.(*Server).Select"
	r := postmortem.Parse(out, with)
	require.Equal(t, "(*Server).Select", r.Goroutines[0].Func)
	require.NotEqual(t, "(*Server).Select", postmortem.Parse(out, scope).Goroutines[0].Func)
}

func TestOtherPackagesAreNotJudged(t *testing.T) {
	other := postmortem.Scope{Package: "judged.example/serve"}
	require.Empty(t, postmortem.Parse(dump(t, plain, "mutex"), other).Goroutines)
}

func TestJunkIsAnEmptyReport(t *testing.T) {
	for _, junk := range []string{"", "goroutine", "goroutine 1 [running]:", "goroutine 7 [x]:\n\n\x00\xff", strings.Repeat("goroutine 1 [running]:\n", 100)} {
		require.Empty(t, postmortem.Parse([]byte(junk), scope).String(), "%q", junk)
	}
}
