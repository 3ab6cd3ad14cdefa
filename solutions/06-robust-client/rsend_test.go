package robustclient_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/course"
	"workbook.example/tools/run"
	"workbook.example/tools/sources"
)

// Here the lab's program, built from the solution, is run against servers that
// come and go.

const patience = 10 * time.Second

// buildRsend builds the program once for all tests.
var buildRsend = sync.OnceValues(func() (string, error) {
	c, err := course.Open(".")
	if err != nil {
		return "", err
	}
	lab, err := c.Lab("06-robust-client")
	if err != nil {
		return "", err
	}
	set, err := sources.Solution(lab)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "rsend")
	if err != nil {
		return "", err
	}
	return run.Program(context.Background(), lab, set, dir)
})

// An rsend is the program, running.
type rsend struct {
	*exec.Cmd
	stdin  io.WriteCloser
	stdout bytes.Buffer
	told   chan string // its lines on standard error
}

func startRsend(t *testing.T, args ...string) *rsend {
	t.Helper()
	exe, err := buildRsend()
	require.NoError(t, err)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	r := &rsend{Cmd: exec.CommandContext(ctx, exe, args...), told: make(chan string, 1000)}
	r.stdin, err = r.StdinPipe()
	require.NoError(t, err)
	r.Stdout = &r.stdout
	stderr, err := r.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, r.Start())
	t.Cleanup(func() { r.Process.Kill() })
	go func() {
		defer close(r.told)
		for lines := bufio.NewScanner(stderr); lines.Scan(); {
			r.told <- lines.Text()
		}
	}()
	return r
}

// await reads what the program tells until a line has a part that matches.
func (r *rsend) await(t *testing.T, pattern string) {
	t.Helper()
	want := regexp.MustCompile(pattern)
	var told []string
	for line := range r.told {
		if told = append(told, line); want.MatchString(line) {
			return
		}
	}
	t.Fatalf("no %q among\n%s", pattern, strings.Join(told, "\n"))
}

// end waits for the program's end.
func (r *rsend) end() error {
	for range r.told { // all is read before Wait closes the pipe
	}
	return r.Wait()
}

// listen listens on addr.
func listen(t *testing.T, addr string) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	return l
}

// accept takes the next connection.
func accept(t *testing.T, l net.Listener) (net.Conn, *bufio.Reader) {
	t.Helper()
	require.NoError(t, l.(*net.TCPListener).SetDeadline(time.Now().Add(patience)))
	conn, err := l.Accept()
	require.NoError(t, err)
	t.Cleanup(func() { conn.Close() })
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	return conn, bufio.NewReader(conn)
}

func TestServerIsStoppedAndStarted(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	addr := l.Addr().String()
	r := startRsend(t, "-addr", addr, "-base", "1ms", "-cap", "5ms")
	conn, in := accept(t, l)
	fmt.Fprintln(r.stdin, "one")
	line, err := in.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "one\n", line)
	fmt.Fprint(conn, "hello \x1b[31m\r\n")
	r.await(t, "line 1 sent")
	l.Close()
	conn.Close()
	r.await(t, "connection lost: the server has ended it")
	r.await(t, "attempt 2 +refused: nobody listens there; waits")
	l = listen(t, addr)
	conn, in = accept(t, l)
	r.await(t, "connected")
	fmt.Fprintln(r.stdin, "two")
	line, err = in.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "two\n", line)
	r.stdin.Close()
	_, err = in.ReadByte()
	require.Equal(t, io.EOF, err)
	fmt.Fprint(conn, "goodbye\n")
	conn.Close()
	require.NoError(t, r.end())
	require.Equal(t, "◀ hello \ufffd[31m\n◀ goodbye\n", r.stdout.String())
}

func TestChatLineIsSentUntilItIsAnswered(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	r := startRsend(t, "-addr", l.Addr().String(), "-login", "alice", "-base", "1ms")
	welcome := func() (net.Conn, *bufio.Reader) {
		conn, in := accept(t, l)
		line, err := in.ReadString('\n')
		require.NoError(t, err)
		require.Contains(t, line, `"username":"alice"`)
		fmt.Fprintln(conn, `{"type":"login_response","success":true}`)
		return conn, in
	}
	conn, in := welcome()
	fmt.Fprintln(r.stdin, "pay 100")
	line, err := in.ReadString('\n')
	require.NoError(t, err)
	conn.Close() // before the answer
	r.await(t, "no answer to line 1 .*: the server may have it already")
	conn, in = welcome()
	again, err := in.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, line, again)
	fmt.Fprintln(conn, `{"type":"chat_response","id":1,"success":true,"seq":1}`)
	r.stdin.Close()
	line, err = in.ReadString('\n')
	require.NoError(t, err)
	require.Contains(t, line, "logout")
	conn.Close()
	require.NoError(t, r.end())
}

func TestErrorsAreSentences(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	closed := l.Addr().String()
	l.Close()
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"-addr", closed, "-attempts", "2", "-base", "1ms"}, 1, "rsend: gave up on ADDR after 2 attempts: refused: nobody listens there (no more attempts are allowed)"},
		{[]string{"-addr", "127.0.0.1:70000"}, 1, "rsend: gave up on 127.0.0.1:70000 after 1 attempt: address 70000: invalid port (trying again would not help)"},
		{[]string{"-addr", "nowhere"}, 2, "rsend: -addr nowhere is not host:port; rsend -h lists what it takes"},
		{[]string{"-jitter", "some"}, 2, `rsend: there is no jitter "some"; rsend -h lists what it takes`},
		{[]string{"hello"}, 2, `rsend: "hello" is not an option, and rsend takes nothing else: what it sends comes from standard input; rsend -h lists what it takes`},
		{[]string{"-base", "-1s"}, 2, "rsend: -base -1s is less than nothing; rsend -h lists what it takes"},
		{[]string{"-attempts", "-3"}, 2, "rsend: -attempts -3 is less than none; rsend -h lists what it takes"},
	} {
		r := startRsend(t, c.args...)
		var last string
		for line := range r.told {
			last = strings.ReplaceAll(line, closed, "ADDR")
		}
		err := r.Wait()
		var exit *exec.ExitError
		require.ErrorAs(t, err, &exit, "%v", c.args)
		require.Equal(t, c.code, exit.ExitCode(), "%v", c.args)
		require.Equal(t, c.says, last, "%v", c.args)
	}
}

func TestEndOfInputEndsItWhenNothingIsLeft(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	addr := l.Addr().String()
	args := []string{"-addr", addr, "-base", "1h", "-cap", "1h", "-jitter", "none"}

	// The server has got everything, and is gone.
	r := startRsend(t, args...)
	conn, in := accept(t, l)
	fmt.Fprintln(r.stdin, "one")
	_, err := in.ReadString('\n')
	require.NoError(t, err)
	l.Close()
	conn.Close()
	r.await(t, "waits 1h")
	r.stdin.Close()
	r.await(t, "nothing is left to send")
	require.NoError(t, r.end())

	// It was never there, and nothing was to be sent.
	r = startRsend(t, args...)
	r.await(t, "waits 1h")
	r.stdin.Close()
	r.await(t, "nothing is left to send")
	require.NoError(t, r.end())

	// A line waits.
	r = startRsend(t, "-addr", addr, "-base", "1ms", "-cap", "1ms")
	fmt.Fprintln(r.stdin, "two")
	r.stdin.Close()
	r.await(t, "attempt 2 ")
	l = listen(t, addr)
	conn, in = accept(t, l)
	line, err := in.ReadString('\n')
	require.NoError(t, err)
	require.Equal(t, "two\n", line)
	_, err = in.ReadByte()
	require.Equal(t, io.EOF, err)
	conn.Close()
	require.NoError(t, r.end())
}

func TestInterruptEndsAnAttempt(t *testing.T) {
	l := listen(t, "127.0.0.1:0")
	closed := l.Addr().String()
	l.Close()
	r := startRsend(t, "-addr", closed, "-base", "1h", "-cap", "1h", "-jitter", "none")
	r.await(t, "waits 1h")
	require.NoError(t, r.Process.Signal(os.Interrupt))
	r.await(t, "rsend: interrupted")
	require.Error(t, r.end())
}
