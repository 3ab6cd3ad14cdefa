package labtest_test

import (
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/labtest"
)

// sent is a peer to which lines have been sent.
func sent(t *labtest.T, lines ...string) *labtest.Peer {
	t.Helper()
	near, far := net.Pipe()
	t.Cleanup(func() { far.Close() })
	go func() {
		far.Write([]byte(strings.Join(lines, "")))
		far.Close()
	}()
	return t.Peer("alice", near)
}

func TestWhatFits(t *testing.T) {
	type fields = labtest.Fields
	for line, want := range map[string]fields{
		`{"type":"a","n":1}`:                  {"type": "a", "n": 1},
		`{"n":1.0,"m":1e0}`:                   {"n": 1, "m": int64(1)},
		`{"n":12345678901234567890}`:          {"n": uint64(12345678901234567890)},
		`{"n":-0.5}`:                          {"n": -0.5},
		`{"n":1700000000.123}`:                {"n": func(v any) bool { return fmt.Sprint(v) == "1700000000.123" }},
		`{"s":"é🙂\u0000"}`:                    {"s": "é🙂\x00"},
		`{"b":true,"x":null}`:                 {"b": true, "x": nil},
		`{"x":null}`:                          {"x": labtest.Any, "y": labtest.Absent},
		`{"s":"x","n":0,"l":[0],"o":{"a":1}}`: {"s": labtest.NonEmpty, "n": labtest.NonEmpty, "l": labtest.NonEmpty, "o": labtest.NonEmpty},
		`{"o":{"a":1,"b":{"c":[1,2]}}}`:       {"o": fields{"b": map[string]any{"c": []int{1, 2}}}},
		`{"l":[{"a":1,"b":2},"x",3]}`:         {"l": []any{fields{"a": 1}, labtest.Any, 3.0}},
		`{"l":["a","b"]}`:                     {"l": []string{"a", "b"}},
		`{"s":"x"}`:                           {},
	} {
		t.Run(line, func(tt *testing.T) {
			t := labtest.Begin(tt)
			m := sent(t, line+"\n").Expect(want)
			require.Equal(t, line, string(m.Raw()))
		})
	}
}

func TestMessageGivesItsFields(tt *testing.T) {
	t := labtest.Begin(tt)
	m := sent(t, `{"s":"x","n":2.5,"b":true}`+"\r\n").Receive()
	require.Equal(t, "x", m.String("s"))
	require.Equal(t, 2.5, m.Number("n"))
	require.True(t, m.Has("b"))
	require.False(t, m.Has("c"))
	require.Empty(t, m.String("n"))
	require.Zero(t, m.Number("s"))
	require.Equal(t, `{"s":"x","n":2.5,"b":true}`, string(m.Raw()))
	require.Zero(t, labtest.Message{}.Number("x"))
}

func TestFramesComeOneByOne(tt *testing.T) {
	t := labtest.Begin(tt)
	p := sent(t, "{\"n\":1}\n{\"n\":2}\n{\"n\":3}\n{\"n\":4}\n")
	p.Expect(labtest.Fields{"n": 1})
	p.Await(labtest.Fields{"n": 3})
	require.Equal(t, 4.0, p.Receive().Number("n"))
	p.ExpectEOF()
	p.ExpectClosed()
	p.AwaitClosed()
}

func TestAwaitClosedPassesOverMessages(tt *testing.T) {
	t := labtest.Begin(tt)
	sent(t, "{}\n{}\nnot even JSON\n").AwaitClosed()
}

func TestLongFrameIsWhole(tt *testing.T) {
	t := labtest.Begin(tt)
	long := strings.Repeat("x", 1<<20)
	require.Equal(t, long, sent(t, `{"s":"`+long+`"}`+"\n").Receive().String("s"))
}

// Each Send is one Write, which a net.Pipe shows as one read.
func TestHowManyWrites(tt *testing.T) {
	t := labtest.Begin(tt)
	near, far := net.Pipe()
	p := t.Peer("alice", near)
	go func() {
		p.Send(`{"n":1}`)
		p.SendTogether("a", "b")
		p.SendRaw([]byte("raw"))
		p.SendBytewise([]byte("xy"))
		p.Close()
	}()
	var reads []string
	buf := make([]byte, 1000)
	for {
		n, err := far.Read(buf)
		if err != nil {
			require.ErrorIs(t, err, io.EOF)
			break
		}
		reads = append(reads, string(buf[:n]))
	}
	require.Equal(t, []string{"{\"n\":1}\n", "a\nb\n", "raw", "x", "y"}, reads)
}

func TestPeersOfDifferentGoroutines(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	addr := target(t, echo)
	var all sync.WaitGroup
	for i := range 8 {
		p := t.Dial(fmt.Sprint("client", i), addr)
		all.Go(func() {
			for n := range 50 {
				p.SendJSON(labtest.Fields{"from": p.Name(), "n": n})
				p.Expect(labtest.Fields{"from": p.Name(), "n": n})
			}
			p.CloseWrite()
			p.ExpectEOF()
		})
	}
	all.Wait()
}

// A peer that stops reading is soon one to whom nothing can be written.
func TestStoppedReaderStopsTheWriter(tt *testing.T) {
	t := labtest.Begin(tt)
	full := make(chan int, 1)
	p := t.Dial("alice", target(t, func(c *net.TCPConn) {
		c.SetWriteBuffer(4096)
		c.SetWriteDeadline(time.Now().Add(300 * time.Millisecond))
		n, _ := c.Write(make([]byte, 64<<20))
		full <- n
	}))
	p.StopReading()
	require.Less(t, <-full, 8<<20)
}

func TestScriptedServer(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	t.Subject("client")
	srv := t.Server("server")
	client := t.Peer("client", dial(t, srv.Addr()))
	p := srv.Accept("server")
	client.Send(`{"type":"login"}`)
	p.Expect(labtest.Fields{"type": "login"})
	p.Reset()
	client.ExpectReset()
	srv.Close()
	_, err := net.Dial("tcp", srv.Addr())
	require.Error(t, err)
}
