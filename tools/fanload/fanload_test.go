package fanload_test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/fanload"
)

// small is a load that ends by itself within a moment.
var small = fanload.Load{Receivers: 8, Messages: 500, Patience: 2 * time.Second}

// chatServer speaks as much of the chat protocol as the load needs. spoil may
// change, drop or repeat what goes to one receiver.
func chatServer(t *testing.T, spoil func(n int, line []byte) []byte) string {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var (
		handlers sync.WaitGroup
		mu       sync.Mutex
		members  []net.Conn
	)
	handle := func(conn net.Conn) {
		defer conn.Close()
		spoken := 0
		for lines := bufio.NewScanner(conn); lines.Scan(); {
			var m struct{ Type, Username, Content string }
			if json.Unmarshal(lines.Bytes(), &m) != nil {
				return
			}
			mu.Lock()
			switch m.Type {
			case "login":
				fmt.Fprintln(conn, `{"type":"login_response","success":true}`)
				for _, other := range members {
					fmt.Fprintf(other, `{"type":"joined","username":%q}`+"\n", m.Username)
				}
				if m.Username != "speaker" {
					members = append(members, conn)
				}
			case "chat":
				line := fmt.Appendf(nil, `{"type":"chat_message","username":"speaker","content":%q,"timestamp":1.5}`+"\n", m.Content)
				for i, other := range members {
					if i == 0 && spoil != nil {
						other.Write(spoil(spoken, line))
						continue
					}
					other.Write(line)
				}
				spoken++
			}
			mu.Unlock()
		}
	}
	handlers.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			handlers.Go(func() { handle(conn) })
		}
	})
	t.Cleanup(func() {
		l.Close()
		mu.Lock()
		for _, m := range members {
			m.Close()
		}
		mu.Unlock()
		handlers.Wait()
	})
	return l.Addr().String()
}

func TestEveryMessageReachesEveryReceiver(t *testing.T) {
	run, err := fanload.Do(t.Context(), fanload.Chat{}, chatServer(t, nil), small)
	require.NoError(t, err)
	require.Equal(t, 500, run.Sent)
	require.Equal(t, 500*8, run.Delivered)
	require.Positive(t, run.Rate())
	require.Positive(t, run.P50)
	require.GreaterOrEqual(t, run.P99, run.P50)
}

func TestARunEndsWhenItsTimeIsOver(t *testing.T) {
	load := fanload.Load{Receivers: 2, Warmup: time.Millisecond, Duration: 20 * time.Millisecond}
	run, err := fanload.Do(t.Context(), fanload.Chat{}, chatServer(t, nil), load)
	require.NoError(t, err)
	require.Equal(t, run.Sent*2, run.Delivered)
	require.LessOrEqual(t, run.Measured, run.Delivered)
	require.GreaterOrEqual(t, run.Elapsed, 20*time.Millisecond)
}

func TestAServerThatIsWrongHasNoFigure(t *testing.T) {
	var held []byte
	for name, test := range map[string]struct {
		spoil func(n int, line []byte) []byte
		says  string
	}{
		"loses one": {
			func(n int, line []byte) []byte {
				if n == 100 {
					return nil
				}
				return line
			}, "got message 101 where message 100 was due"},
		"repeats one": {
			func(n int, line []byte) []byte {
				if n == 100 {
					return append(line, line...)
				}
				return line
			}, "got message 100 where message 101 was due"},
		"swaps two": {
			func(n int, line []byte) []byte {
				switch n {
				case 100:
					held = bytes.Clone(line)
					return nil
				case 101:
					return append(bytes.Clone(line), held...)
				}
				return line
			}, "got message 101 where message 100 was due"},
		"loses the last": {
			func(n int, line []byte) []byte {
				if n == 499 {
					return nil
				}
				return line
			}, "has 499 messages, 500 were due, and nothing came for 1s"},
	} {
		t.Run(name, func(t *testing.T) {
			load := small
			load.Patience = time.Second
			if !strings.Contains(test.says, "nothing came") {
				load.Patience = 5 * time.Second
			}
			_, err := fanload.Do(t.Context(), fanload.Chat{}, chatServer(t, test.spoil), load)
			require.ErrorContains(t, err, test.says)
		})
	}
}

func TestARunCanBeInterrupted(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	spoil := func(n int, line []byte) []byte {
		if n == 100 {
			cancel()
		}
		return line
	}
	_, err := fanload.Do(ctx, fanload.Chat{}, chatServer(t, spoil), fanload.Load{Receivers: 4, Duration: time.Hour})
	require.ErrorIs(t, err, context.Canceled)
}

func TestRelayIsALoadableServer(t *testing.T) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	done := make(chan error, 1)
	go func() { done <- fanload.Relay(l) }()
	run, err := fanload.Do(t.Context(), fanload.Lines{}, l.Addr().String(), small)
	require.NoError(t, err)
	require.Equal(t, 500*8, run.Delivered)
	l.Close()
	require.ErrorIs(t, <-done, net.ErrClosed)
}

func TestOthersServersSpeakAsWeThink(t *testing.T) {
	for name, peer := range map[string]func(context.Context) (fanload.Server, error){
		"nats-server": fanload.NATSServer,
		"ngircd":      fanload.NgIRCd,
	} {
		t.Run(name, func(t *testing.T) {
			server, err := peer(t.Context())
			if err != nil {
				t.Skip(err, "(apt-get install "+name+")")
			}
			require.NotEmpty(t, server.Version)
			running, err := server.Start(t.Context())
			require.NoError(t, err)
			defer running.Stop()
			run, err := fanload.Do(t.Context(), server.Protocol, running.Addr, small)
			require.NoError(t, err)
			require.Equal(t, 500*8, run.Delivered)
		})
	}
}

func TestAServerThatDoesNotStartSaysWhatItSaid(t *testing.T) {
	server := fanload.Server{Name: "broken", Command: func(string, string, int) ([]string, error) {
		return []string{"go", "no-such-verb"}, nil
	}}
	_, err := server.Start(t.Context())
	require.ErrorContains(t, err, "broken: ended before it accepted a connection")
	require.ErrorContains(t, err, "no-such-verb")
}
