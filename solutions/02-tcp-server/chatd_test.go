package tcpserver_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
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

// Here the lab's program, built from the solution, is talked to by programs
// that we did not write, and by many at once.

const patience = 10 * time.Second

// buildChatd builds the program once for all tests.
var buildChatd = sync.OnceValues(func() (string, error) {
	c, err := course.Open(".")
	if err != nil {
		return "", err
	}
	lab, err := c.Lab("02-tcp-server")
	if err != nil {
		return "", err
	}
	set, err := sources.Solution(lab)
	if err != nil {
		return "", err
	}
	dir, err := os.MkdirTemp("", "chatd")
	if err != nil {
		return "", err
	}
	return run.Program(context.Background(), lab, set, dir)
})

// A chatd is the program, running.
type chatd struct {
	*exec.Cmd
	addr   string
	stderr bytes.Buffer
}

func startChatd(t *testing.T, args ...string) *chatd {
	t.Helper()
	exe, err := buildChatd()
	require.NoError(t, err)
	d := &chatd{Cmd: exec.Command(exe, append([]string{"-addr", "127.0.0.1:0"}, args...)...)}
	d.Stderr = &d.stderr
	out, err := d.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, d.Start())
	t.Cleanup(func() { d.Process.Kill() })
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	_, err = fmt.Sscanf(line, "chatd listens on %s", &d.addr)
	require.NoError(t, err, line)
	d.addr = strings.TrimSuffix(d.addr, ";")
	go io.Copy(io.Discard, out)
	return d
}

// wait waits for the program's end.
func (d *chatd) wait(t *testing.T) error {
	t.Helper()
	ended := make(chan error, 1)
	go func() { ended <- d.Wait() }()
	select {
	case err := <-ended:
		return err
	case <-time.After(patience):
		t.Fatal("chatd did not end")
		return nil
	}
}

// A client talks to chatd a line at a time.
type client struct {
	net.Conn
	in *bufio.Reader
}

func dial(addr string) (*client, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	conn.SetDeadline(time.Now().Add(patience))
	return &client{Conn: conn, in: bufio.NewReader(conn)}, nil
}

type message struct {
	Type, Username, Content, Code string
	Success                       bool
	Seq                           uint64
}

// await reads until a message of type want comes.
func (c *client) await(want string) (message, error) {
	for {
		line, err := c.in.ReadBytes('\n')
		if err != nil {
			return message{}, fmt.Errorf("no %s came: %w", want, err)
		}
		var m message
		if err := json.Unmarshal(line, &m); err != nil {
			return message{}, err
		}
		if m.Type == want {
			return m, nil
		}
	}
}

func (c *client) login(name string) error {
	fmt.Fprintf(c, "{\"type\":\"login\",\"username\":%q,\"password\":\"x\"}\n", name)
	m, err := c.await("login_response")
	if err == nil && !m.Success {
		err = errors.New("not welcome")
	}
	return err
}

func TestSignalShutsDownGracefully(t *testing.T) {
	for _, signal := range []os.Signal{os.Interrupt, syscall.SIGTERM} {
		d := startChatd(t)
		alice, err := dial(d.addr)
		require.NoError(t, err)
		require.NoError(t, alice.login("alice"))
		require.NoError(t, d.Process.Signal(signal))
		m, err := alice.await("error")
		require.NoError(t, err)
		require.Equal(t, "shutdown", m.Code)
		_, err = alice.in.ReadByte()
		require.ErrorIs(t, err, io.EOF)
		alice.Close()
		require.NoError(t, d.wait(t), d.stderr.String())
	}
}

func TestPortInUseIsExplained(t *testing.T) {
	d := startChatd(t)
	exe, err := buildChatd()
	require.NoError(t, err)
	out, err := exec.Command(exe, "-addr", d.addr).CombinedOutput()
	require.Error(t, err)
	_, port, err := net.SplitHostPort(d.addr)
	require.NoError(t, err)
	want, err := os.ReadFile(filepath.Join("testdata", "port-in-use.golden"))
	require.NoError(t, err)
	require.Equal(t, string(want), strings.ReplaceAll(string(out), port, "8888"))
}

func TestTwoHundredClientsAtOnce(t *testing.T) {
	const clients, each = 200, 5
	d := startChatd(t, "-quiet")
	var all [clients]*client
	for i := range all {
		c, err := dial(d.addr)
		require.NoError(t, err)
		defer c.Close()
		require.NoError(t, c.login(fmt.Sprintf("client%d", i)))
		all[i] = c
	}
	results := make(chan error, clients)
	for i, c := range all {
		go func() { results <- c.converse(fmt.Sprintf("client%d", i), each, (clients-1)*each) }()
	}
	for range all {
		require.NoError(t, <-results)
	}
}

// converse says a few things and reads what all others say: all of it, in
// order, without a gap but for its own.
func (c *client) converse(name string, say, hear int) error {
	for range say {
		if _, err := fmt.Fprintf(c, "{\"type\":\"chat\",\"content\":\"I am %s\"}\n", name); err != nil {
			return err
		}
	}
	var last, missing uint64
	for heard := 0; heard < hear; heard++ {
		m, err := c.await("chat_message")
		if err != nil {
			return fmt.Errorf("%s heard %d of %d: %w", name, heard, hear, err)
		}
		if m.Content != "I am "+m.Username || m.Username == name || m.Seq <= last {
			return fmt.Errorf("%s heard %+v after seq %d", name, m, last)
		}
		missing += m.Seq - last - 1
		last = m.Seq
	}
	if missing > uint64(say) {
		return fmt.Errorf("%s: %d numbers are missing, and it said only %d things itself", name, missing, say)
	}
	return nil
}

func TestNcIsAFullClient(t *testing.T) {
	tried := 0
	for _, nc := range [][]string{{"ncat", "--no-shutdown"}, {"ncat"}, {"nc.openbsd", "-N"}} {
		exe, err := exec.LookPath(nc[0])
		if err != nil {
			continue
		}
		tried++
		d := startChatd(t)
		host, port, err := net.SplitHostPort(d.addr)
		require.NoError(t, err)
		cmd := exec.Command(exe, append(nc[1:], host, port)...)
		cmd.Stdin = strings.NewReader(`{"type":"login","username":"nc","password":"x"}` + "\r\n" +
			`{"type":"chat","content":"hi","id":1}` + "\n" + `?` + "\n" + `{"type":"logout"}` + "\n")
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "%s: %s", nc, out)
		require.Equal(t, []string{"login_response", "chat_response", "error", "logout_response"}, types(t, out), "%s", nc)
	}
	if tried == 0 {
		t.Skip("not run: neither ncat nor nc is installed (apt-get install ncat netcat-openbsd)")
	}
}

// types lists the types of the messages in out.
func types(t *testing.T, out []byte) (types []string) {
	t.Helper()
	for line := range bytes.Lines(out) {
		var m message
		require.NoError(t, json.Unmarshal(line, &m), "%s", line)
		types = append(types, m.Type)
	}
	return types
}

// The client of the chapter that this workbook grew from, in its own language
// and with its own message shapes, with one thing mended: it frames them.
func TestClientInAnotherLanguage(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Skip("not run: python3 is not installed (apt-get install python3)")
	}
	d := startChatd(t)
	host, port, err := net.SplitHostPort(d.addr)
	require.NoError(t, err)
	bob, err := dial(d.addr)
	require.NoError(t, err)
	defer bob.Close()
	require.NoError(t, bob.login("bob"))
	// alice waits for something from bob before she leaves.
	answered := make(chan error, 1)
	go func() {
		m, err := bob.await("chat_message")
		if err == nil && (m.Username != "alice" || m.Content != "你好, bob") {
			err = fmt.Errorf("bob heard %+v", m)
		}
		fmt.Fprintf(bob, "{\"type\":\"chat\",\"content\":\"hello alice\"}\n")
		answered <- err
	}()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	out, err := exec.CommandContext(ctx, python, filepath.Join("testdata", "client.py"), host, port).CombinedOutput()
	require.NoError(t, err, "%s", out)
	require.NoError(t, <-answered)
	require.Equal(t, []string{"login_response", "chat_message", "logout_response"}, types(t, out))
	m, err := bob.await("left")
	require.NoError(t, err)
	require.Equal(t, "alice", m.Username)
}
