package tcpclient_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	tcpclient "workbook.example/solutions/03-tcp-client"
	"workbook.example/tools/course"
	"workbook.example/tools/run"
	"workbook.example/tools/sources"
)

// Here the client talks to the server of lab 2, and the lab's program, built
// from the solution, to somebody at a terminal who is a test.

const patience = 10 * time.Second

// program builds the program of a lab, from its solution, once for all tests.
func program(lab string) func() (string, error) {
	return sync.OnceValues(func() (string, error) {
		c, err := course.Open(".")
		if err != nil {
			return "", err
		}
		l, err := c.Lab(lab)
		if err != nil {
			return "", err
		}
		set, err := sources.Solution(l)
		if err != nil {
			return "", err
		}
		dir, err := os.MkdirTemp("", l.Program)
		if err != nil {
			return "", err
		}
		return run.Program(context.Background(), l, set, dir)
	})
}

var buildChatd, buildChat = program("02-tcp-server"), program("03-tcp-client")

// startChatd starts lab 2's server.
func startChatd(t *testing.T, args ...string) (addr string, server *os.Process) {
	t.Helper()
	exe, err := buildChatd()
	require.NoError(t, err)
	cmd := exec.Command(exe, append([]string{"-addr", "127.0.0.1:0", "-quiet"}, args...)...)
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	_, err = fmt.Sscanf(line, "chatd listens on %s", &addr)
	require.NoError(t, err, line)
	return strings.TrimSuffix(addr, ";"), cmd.Process
}

// A member is a client that is logged in.
type member struct {
	*tcpclient.Client
	heard chan tcpclient.Message
	lost  chan error
}

func join(t *testing.T, addr, name string) *member {
	t.Helper()
	m := &member{heard: make(chan tcpclient.Message, 10_000), lost: make(chan error, 1)}
	m.Client = tcpclient.New(tcpclient.Options{
		OnDisconnect: func(cause error) { m.lost <- cause },
		Logger:       slog.New(slog.DiscardHandler),
	})
	m.OnOther(func(message tcpclient.Message) { m.heard <- message })
	ctx := within(t)
	require.NoError(t, m.Connect(ctx, addr))
	t.Cleanup(func() { m.Close(ctx) })
	_, err := m.Login(ctx, name, "x")
	require.NoError(t, err)
	return m
}

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	return ctx
}

// hears waits for a message of a type.
func (m *member) hears(t *testing.T, want string) tcpclient.Message {
	t.Helper()
	for {
		select {
		case got := <-m.heard:
			if got.Type == want {
				return got
			}
		case <-time.After(patience):
			t.Fatalf("no %s came", want)
		}
	}
}

func (m *member) isLost(t *testing.T) error {
	t.Helper()
	select {
	case cause := <-m.lost:
		return cause
	case <-time.After(patience):
		t.Fatal("the end was not told")
		return nil
	}
}

func TestClientAndServerUnderstandEachOther(t *testing.T) {
	addr, _ := startChatd(t)
	alice, bob := join(t, addr, "alice"), join(t, addr, "bob")
	require.Equal(t, "bob", alice.hears(t, tcpclient.TypeJoined).Username)

	const text = "你好, <bob> & all \u2028 \"\\\n😀"
	seq, err := alice.Chat(within(t), text)
	require.NoError(t, err)
	require.Equal(t, uint64(1), seq)
	m := bob.hears(t, tcpclient.TypeChatMessage)
	require.Equal(t, text, m.Content)
	require.Equal(t, "alice", m.Username)
	require.Equal(t, seq, m.Seq)
	require.WithinDuration(t, time.Now(), m.Timestamp, time.Minute)

	_, err = alice.Chat(within(t), "")
	refused, ok := errors.AsType[*tcpclient.ServerError](err)
	require.True(t, ok, err)
	require.Equal(t, "empty_content", refused.Code)
	_, err = alice.Chat(within(t), strings.Repeat("x", tcpclient.MaxFrame))
	require.ErrorIs(t, err, tcpclient.ErrFrameTooLong)
	_, err = alice.Ask(within(t), tcpclient.Request{Type: tcpclient.TypePing})
	require.NoError(t, err)

	_, err = bob.Login(within(t), "robert", "x")
	refused, ok = errors.AsType[*tcpclient.ServerError](err)
	require.True(t, ok, err)
	require.Equal(t, "already_logged_in", refused.Code)

	require.NoError(t, alice.Close(within(t)))
	require.ErrorIs(t, alice.isLost(t), tcpclient.ErrClosed)
	require.Equal(t, "alice", bob.hears(t, tcpclient.TypeLeft).Username)
	join(t, addr, "alice") // the name is free again
}

func TestManyTalkAtOnce(t *testing.T) {
	const members, each = 30, 20
	addr, _ := startChatd(t)
	var all []*member
	for i := range members {
		all = append(all, join(t, addr, fmt.Sprint("member", i)))
	}
	var talking sync.WaitGroup
	seqs := make(chan uint64, members*each)
	for i, m := range all {
		for range 2 {
			talking.Go(func() {
				for j := range each / 2 {
					seq, err := m.Chat(within(t), fmt.Sprintf("%d says %d", i, j))
					if err != nil {
						t.Errorf("member %d: %v", i, err)
						return
					}
					seqs <- seq
				}
			})
		}
	}
	talking.Wait()
	close(seqs)
	seen := make(map[uint64]bool)
	for seq := range seqs {
		require.False(t, seen[seq])
		seen[seq] = true
	}
	require.Len(t, seen, members*each)
	for _, m := range all {
		var last uint64
		for range (members - 1) * each {
			got := m.hears(t, tcpclient.TypeChatMessage)
			require.Greater(t, got.Seq, last)
			last = got.Seq
		}
	}
}

func TestServerThatLeavesSaysWhy(t *testing.T) {
	addr, server := startChatd(t)
	alice := join(t, addr, "alice")
	require.NoError(t, server.Signal(os.Interrupt))
	cause := alice.isLost(t)
	said, ok := errors.AsType[*tcpclient.ServerError](cause)
	require.True(t, ok, cause)
	require.Equal(t, tcpclient.CodeShutdown, said.Code)
	require.ErrorIs(t, cause, io.EOF)

	addr, server = startChatd(t)
	alice = join(t, addr, "alice")
	require.NoError(t, server.Kill())
	require.Error(t, alice.isLost(t))
}

func TestPingsKeepASilentClientThere(t *testing.T) {
	addr, _ := startChatd(t, "-idle-timeout", "1s")
	alice := join(t, addr, "alice")
	select {
	case cause := <-alice.lost:
		t.Fatalf("a client that says nothing was lost: %v", cause)
	case <-time.After(2500 * time.Millisecond): // two such times and a half
	}
	_, err := alice.Chat(within(t), "I was here all the time")
	require.NoError(t, err)
}

// A terminal is the program chat, running, and what it shows.
type terminal struct {
	*exec.Cmd
	keys   io.WriteCloser
	lines  chan string
	stderr bytes.Buffer
}

func startChat(t *testing.T, args ...string) *terminal {
	t.Helper()
	exe, err := buildChat()
	require.NoError(t, err)
	chat := &terminal{Cmd: exec.Command(exe, args...), lines: make(chan string, 1000)}
	chat.Stderr = &chat.stderr
	chat.keys, err = chat.StdinPipe()
	require.NoError(t, err)
	out, err := chat.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, chat.Start())
	t.Cleanup(func() { chat.Process.Kill() })
	go func() {
		defer close(chat.lines)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			chat.lines <- lines.Text()
		}
	}()
	return chat
}

// shows waits for a line that has all of these parts.
func (c *terminal) shows(t *testing.T, parts ...string) string {
	t.Helper()
	end := time.After(patience)
search:
	for {
		select {
		case line, ok := <-c.lines:
			if !ok {
				t.Fatalf("chat has ended, and did not show %q; %s", parts, c.stderr.String())
			}
			for _, part := range parts {
				if !strings.Contains(line, part) {
					continue search
				}
			}
			return line
		case <-end:
			t.Fatalf("chat does not show %q", parts)
		}
	}
}

// ends waits for the program's end and checks its exit code.
func (c *terminal) ends(t *testing.T, code int) string {
	t.Helper()
	for range c.lines {
	}
	timer := time.AfterFunc(patience, func() { c.Process.Kill() })
	defer timer.Stop()
	c.Wait()
	require.Equal(t, code, c.ProcessState.ExitCode(), c.stderr.String())
	return c.stderr.String()
}

func TestChatAtATerminal(t *testing.T) {
	addr, _ := startChatd(t)
	alice := startChat(t, "-addr", addr, "-name", "alice")
	alice.shows(t, "welcome, alice", "here are: alice")
	bob := startChat(t, "-addr", addr, "-name", "bob")
	bob.shows(t, "here are: alice, bob")
	alice.shows(t, "* bob has joined")
	fmt.Fprintln(alice.keys, "hello, 世界")
	alice.shows(t, "✓ 1")
	bob.shows(t, "alice: hello, 世界")
	fmt.Fprintln(bob.keys, "//quit is how one leaves")
	alice.shows(t, "bob: /quit is how one leaves")
	fmt.Fprintln(bob.keys, "/dance")
	bob.shows(t, "there is no /dance")
	fmt.Fprintln(bob.keys, "/who")
	bob.shows(t, "here are: alice, bob")
	fmt.Fprintln(bob.keys, "/quit")
	require.Empty(t, bob.ends(t, 0))
	alice.shows(t, "* bob has left")
	fmt.Fprint(alice.keys, "the last words have no line end")
	alice.keys.Close()
	alice.shows(t, "✓ 3")
	require.Empty(t, alice.ends(t, 0))
}

func TestChatIsInterrupted(t *testing.T) {
	addr, _ := startChatd(t)
	bob := join(t, addr, "bob")
	alice := startChat(t, "-addr", addr, "-name", "alice")
	alice.shows(t, "welcome")
	require.NoError(t, alice.Process.Signal(os.Interrupt))
	require.Empty(t, alice.ends(t, 0))
	require.Equal(t, "alice", bob.hears(t, tcpclient.TypeLeft).Username)
}

func TestChatSaysWhyItEnds(t *testing.T) {
	addr, server := startChatd(t)
	alice := startChat(t, "-addr", addr, "-name", "alice")
	alice.shows(t, "welcome")
	require.NoError(t, server.Signal(syscall.SIGTERM))
	require.Contains(t, alice.ends(t, 1), "the server is shutting down")
	// And now nobody listens there.
	require.Contains(t, startChat(t, "-addr", addr, "-name", "alice").ends(t, 1), "nobody listens on "+addr)

	addr, _ = startChatd(t)
	join(t, addr, "alice")
	require.Contains(t, startChat(t, "-addr", addr, "-name", "alice").ends(t, 1), "somebody else is there as alice")
	require.Contains(t, startChat(t, "-addr", addr, "-name", "a b").ends(t, 1), `"a b" cannot be a name`)
	require.Contains(t, startChat(t, "-addr", "127.0.0.1:99999", "-name", "alice").ends(t, 1), "is no address")
	refused := startChat(t, "-addr", "127.0.0.1:99999", "-name", "alice").ends(t, 1)
	require.Equal(t, 1, strings.Count(refused, "99999"), "said once: %s", refused)
	require.Contains(t, startChat(t, "-addr", strings.TrimPrefix(addr, "127.0.0.1"), "-name", "alice", "-timeout", "0").ends(t, 1), "somebody else is there as alice")
	require.Contains(t, startChat(t, "-addr", addr, "-name", "alice", "hello").ends(t, 2), `what is "hello"?`)
	require.Contains(t, startChat(t, "-addr", addr, "-name", "").ends(t, 2), "who are you?")
}

func TestStrangersCannotPaintOnTheTerminal(t *testing.T) {
	addr, _ := startChatd(t)
	alice := startChat(t, "-addr", addr, "-name", "alice")
	alice.shows(t, "welcome")
	mallory := join(t, addr, "mallory")
	_, err := mallory.Chat(within(t), "\x1b]0;owned\x07\x1b[2J\r12:00:00 bob: give me your password\n\u009b31m\u202eback\u2028end")
	require.NoError(t, err)
	line := alice.shows(t, "mallory:")
	require.Contains(t, line, "end", "all of it is one line")
	for _, r := range line {
		require.False(t, r < 0x20 || r >= 0x7f && r < 0xa0 || r == 0x202e || r == 0x2028, "%q", line)
	}
}
