package udpheartbeat_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/course"
	"workbook.example/tools/run"
	"workbook.example/tools/sources"
)

// Here the lab's program, built from the solution, is used as people use it.

const patience = 10 * time.Second

var update = flag.Bool("update", false, "write the golden file anew")

// build builds the program once for all tests.
var build = sync.OnceValues(func() (string, error) {
	c, err := course.Open(".")
	if err != nil {
		return "", err
	}
	lab, err := c.Lab("04-udp-heartbeat")
	if err != nil {
		return "", err
	}
	set, err := sources.Solution(lab)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "heartbeat")
	if err != nil {
		return "", err
	}
	return run.Program(context.Background(), lab, set, dir)
})

// A program is heartbeat, running.
type program struct {
	*exec.Cmd
	lines chan string // of its standard output
}

func start(t *testing.T, args ...string) *program {
	t.Helper()
	exe, err := build()
	require.NoError(t, err)
	p := &program{Cmd: exec.Command(exe, args...), lines: make(chan string, 10_000)}
	out, err := p.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, p.Start())
	t.Cleanup(func() { p.Process.Kill() })
	go func() {
		defer close(p.lines)
		for in := bufio.NewScanner(out); in.Scan(); {
			p.lines <- in.Text()
		}
	}()
	return p
}

// await passes over lines until one comes that matches, and returns what its
// first group matched.
func (p *program) await(t *testing.T, pattern string) string {
	t.Helper()
	expression, late := regexp.MustCompile(pattern), time.After(patience)
	var seen []string
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				t.Fatalf("the program ended without a line like %q; it said:\n%s", pattern, strings.Join(seen, "\n"))
			}
			seen = append(seen, line)
			if m := expression.FindStringSubmatch(line); m != nil {
				return m[len(m)-1]
			}
		case <-late:
			t.Fatalf("no line like %q came; it said:\n%s", pattern, strings.Join(seen, "\n"))
		}
	}
}

func watch(t *testing.T, args ...string) (p *program, addr string) {
	t.Helper()
	p = start(t, append([]string{"watch", "-addr", "127.0.0.1:0"}, args...)...)
	return p, p.await(t, `^listening on (\S+);`)
}

func TestSendersComeLeaveAndCrash(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("not run: there is no SIGINT for another process (use WSL)")
	}
	w, addr := watch(t)
	alice, bob := start(t, "send", "-addr", addr, "-name", "alice"), start(t, "send", "-addr", addr, "-name", "bob", "-interval", "50ms")
	w.await(t, " (alice|bob) is here ")
	w.await(t, " (alice|bob) is here ")
	alice.await(t, "the monitor answers; a round trip takes")
	require.NoError(t, alice.Process.Signal(os.Interrupt))
	w.await(t, " alice says goodbye ")
	alice.await(t, `^goodbye; \d+ datagrams were sent, 0 could not be$`)
	require.NoError(t, bob.Process.Kill())
	w.await(t, " bob is suspect ")
	w.await(t, " bob is dead ")
	require.NoError(t, w.Process.Signal(syscall.SIGTERM))
	w.await(t, `^2 peers: 0 alive, 0 suspect, 1 dead, 1 left; 0 of \d+ beats lost`)
	require.NoError(t, w.Wait())
}

func TestOtherKeyIsForged(t *testing.T) {
	w, addr := watch(t)
	exe, err := build()
	require.NoError(t, err)
	eve := exec.Command(exe, "send", "-addr", addr, "-name", "eve", "-interval", "10ms")
	eve.Env = append(os.Environ(), "HEARTBEAT_KEY=another")
	require.NoError(t, eve.Start())
	defer eve.Process.Kill()
	// Junk, too: it must harm nobody, and show nowhere.
	conn, err := net.Dial("udp", addr)
	require.NoError(t, err)
	defer conn.Close()
	for range 100 {
		_, err := fmt.Fprint(conn, "\x1b[2J\x1b]0;junk\a")
		require.NoError(t, err)
	}
	alice := start(t, "send", "-addr", addr, "-name", "alice")
	w.await(t, " alice is here ")
	alice.await(t, "the monitor answers")
	require.NoError(t, w.Process.Signal(os.Interrupt))
	w.await(t, "^1 peer: 1 alive")
	w.await(t, `datagrams accepted; 100 foreign, \d+ forged$`)
}

func TestAThousandAreWatched(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("not run: there is no SIGINT for another process (use WSL)")
	}
	w, addr := watch(t, "-interval", "1s")
	crowd := start(t, "send", "-addr", addr, "-name", "p", "-peers", "1000", "-interval", "1s")
	for range 1000 {
		w.await(t, ` p-\d+ is here `)
	}
	require.NoError(t, crowd.Process.Signal(os.Interrupt))
	for range 1000 {
		w.await(t, ` p-\d+ says goodbye `)
	}
	require.NoError(t, crowd.Wait())
	require.NoError(t, w.Process.Signal(os.Interrupt))
	w.await(t, `^1000 peers: 0 alive, 0 suspect, 0 dead, 1000 left; 0 of \d+ beats lost`)
}

// What is said to somebody who got it wrong.
func TestWrongUseIsExplained(t *testing.T) {
	exe, err := build()
	require.NoError(t, err)
	_, addr := watch(t)
	_, port, err := net.SplitHostPort(addr)
	require.NoError(t, err)
	var said bytes.Buffer
	for _, args := range []string{
		"", "dance", "send now", "send -name two/words", "send -interval 0s", "send -jitter 2", "send -peers 0",
		"watch -detector oracle", "watch -loss 1", "watch -addr here", "watch -x", "watch -addr " + addr,
	} {
		cmd := exec.Command(exe, strings.Fields(args)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		err := cmd.Run()
		var exit *exec.ExitError
		require.True(t, errors.As(err, &exit), args)
		text := stderr.String()
		if args == "" { // the usage comes first
			text = text[strings.LastIndex(strings.TrimRight(text, "\n"), "\n")+1:]
		}
		fmt.Fprintf(&said, "$ %s\n%s(exit status %d)\n\n", strings.TrimSpace("heartbeat "+args), text, exit.ExitCode())
	}
	got := strings.ReplaceAll(said.String(), port, "9944")
	file := filepath.Join("testdata", "wrong-use.golden")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}
