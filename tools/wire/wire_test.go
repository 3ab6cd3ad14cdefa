package wire_test

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mattn/go-runewidth"
	"github.com/stretchr/testify/require"

	"workbook.example/tools/wire"
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

func conversation(events ...wire.Event) *wire.Conversation {
	c := new(wire.Conversation)
	for _, e := range events {
		c.Add(e)
	}
	return c
}

func send(from, to, text string) wire.Event {
	return wire.Event{From: from, To: to, Kind: wire.Send, Text: text}
}

func receive(from, to, text string) wire.Event {
	return wire.Event{From: from, To: to, Kind: wire.Receive, Text: text}
}

func TestLadder(t *testing.T) {
	wrong := receive("server", "carol", "login_response ok")
	wrong.Mark = "expected success:false"
	long := receive("server", "alice", "chat_message "+strings.Repeat("very ", 20)+"long")
	long.Mark = "expected " + strings.Repeat("something else ", 4)

	for name, c := range map[string]*wire.Conversation{
		"design": conversation(
			send("alice", "server", `login "bob"`),
			receive("server", "alice", "login_response ok"),
			send("carol", "server", `login "bob"`),
			wrong,
		),
		"two": conversation(
			send("alice", "server", `login username:"alice"`),
			receive("server", "alice", "login_response success:true"),
			wire.Event{From: "alice", To: "server", Kind: wire.FIN, Text: "FIN (no more to come)"},
			wire.Event{From: "server", To: "alice", Kind: wire.RST, Text: "RST (connection reset)", Mark: "expected the end of the connection (FIN)"},
		),
		"four": conversation(
			send("alice", "server", "login"),
			send("bob", "server", "login"),
			send("carol", "server", "login"),
			receive("server", "bob", "login_response success:true"),
			receive("server", "carol", `chat_message username:"alice" content:"hello"`),
			wire.Event{From: "server", To: "bob", Kind: wire.Note, Text: "nothing for 2 s", Mark: "expected chat_message"},
			wire.Event{From: "carol", To: "server", Kind: wire.RST, Text: "RST"},
		),
		"notes": conversation(
			send("alice", "server", "login"),
			wire.Event{From: "proxy", Kind: wire.Note, Text: "proxy passes nothing on"},
			wire.Event{From: "server", To: "alice", Kind: wire.Note, Text: "nothing for 2 s", Mark: "expected login_response"},
		),
		"note_alone": conversation(wire.Event{From: "proxy", Kind: wire.Note, Text: "proxy passes nothing on"}),
		"shortened":  conversation(send("alice", "server", "hello"), long),
		"wide":       conversation(send("爱丽丝", "服务器", `chat content:"你好，世界"`), receive("服务器", "爱丽丝", "é🙂 ok")),
		"control": conversation(
			send("alice", "server", "\x1b[31mred\x07\u202eback\xff\tand\nmore"),
			wire.Event{From: "server", To: "alice", Kind: wire.Receive, Bytes: []byte{0, 0, 0, 5, 'h', 'i'}},
		),
		"empty": conversation(),
	} {
		t.Run(name, func(t *testing.T) { golden(t, name, c.String()) })
	}
}

func TestLongConversationKeepsHeadTailAndMark(t *testing.T) {
	c := new(wire.Conversation)
	for i := range 60 {
		e := send("alice", "server", fmt.Sprintf("chat seq:%d", i+1))
		if i == 30 {
			e.Mark = "expected seq:30"
		}
		c.Add(e)
	}
	golden(t, "long", c.String())
}

func TestOfManyParticipantsTheMarkedOnesAreDrawn(t *testing.T) {
	c := new(wire.Conversation)
	for i := range 12 {
		c.Add(send(fmt.Sprintf("client%d", i+1), "server", "login"))
	}
	c.Add(wire.Event{From: "server", To: "client3", Kind: wire.Receive, Text: "error", Mark: "expected login_response"})
	c.Add(receive("server", "client7", "login_response"))
	golden(t, "many", c.String())
}

func TestLifelinesStandUpright(t *testing.T) {
	c := conversation(
		send("爱丽丝", "server", "ok"), receive("server", "爱丽丝", "你好你好"), send("bob", "server", "é🙂👩‍🚀"),
		receive("server", "bob", strings.Repeat("世", 80)),
	)
	var width int
	for i, line := range strings.Split(strings.TrimSpace(c.String()), "\n")[1:] {
		if i == 0 {
			width = (&runewidth.Condition{}).StringWidth(line)
		}
		require.Equal(t, width, (&runewidth.Condition{}).StringWidth(line), "%s", line)
	}
}

func TestRecordingIsSafeForManyGoroutines(t *testing.T) {
	c := new(wire.Conversation)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				c.Add(send("alice", "server", "x"))
				_ = c.String()
			}
		})
	}
	all.Wait()
	require.Len(t, c.Events(), 800)
}

func TestRecordIsACopy(t *testing.T) {
	b := []byte("hello")
	c := conversation(wire.Event{From: "a", To: "b", Kind: wire.Send, Bytes: b})
	b[0] = 'J'
	e := c.Events()[0]
	require.Equal(t, "hello", string(e.Bytes))
	require.False(t, e.When.IsZero())
}
