package labtest_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/nettest"

	"workbook.example/tools/labtest"
)

func TestStreamIsANetConn(t *testing.T) {
	for name, faults := range map[string][]labtest.Fault{
		"plain":    nil,
		"fragment": {labtest.ToServer.Fragment(1, 700), labtest.ToClient.Fragment(300, 300)},
		"delay":    {labtest.ToServer.Delay(0, time.Millisecond), labtest.ToClient.Coalesce(time.Millisecond)},
	} {
		t.Run(name, func(tt *testing.T) {
			network := labtest.Begin(tt).StreamNet("network", faults...)
			network.Buffer = 5000
			nettest.TestConn(tt, func() (c1, c2 net.Conn, stop func(), err error) {
				client, server := network.Pair()
				return client, server, func() { client.Close(); server.Close() }, nil
			})
		})
		t.Run(name+" listener", func(tt *testing.T) {
			network := labtest.Begin(tt).StreamNet("network", faults...)
			nettest.TestConn(tt, func() (c1, c2 net.Conn, stop func(), err error) {
				l, err := network.Listen("server:7")
				if err != nil {
					return nil, nil, nil, err
				}
				if c1, err = network.DialContext(tt.Context(), "tcp", "server:7"); err != nil {
					return nil, nil, nil, err
				}
				if c2, err = l.Accept(); err != nil {
					return nil, nil, nil, err
				}
				return c1, c2, func() { c1.Close(); c2.Close(); l.Close() }, nil
			})
		})
	}
}

// inMemory runs f on fake time with a network that has these faults.
func inMemory(t *testing.T, f func(n *labtest.StreamNet, r *require.Assertions), faults ...labtest.Fault) {
	t.Helper()
	lt := labtest.Begin(t)
	network := lt.StreamNet("network", faults...)
	lt.FakeTime(func() { f(network, require.New(t)) })
}

// since is the fake time that f takes.
func since(f func()) time.Duration {
	begin := time.Now()
	f()
	return time.Since(begin)
}

func TestStreamTakesItsTime(t *testing.T) {
	const there, back = 70 * time.Millisecond, 30 * time.Millisecond
	inMemory(t, func(n *labtest.StreamNet, r *require.Assertions) {
		l, err := n.Listen("server:7")
		r.NoError(err)
		var client net.Conn
		r.Equal(there+back, since(func() { client, err = n.DialContext(context.Background(), "tcp", "server:7") }))
		r.NoError(err)
		server, err := l.Accept()
		r.NoError(err)
		buf := make([]byte, 10)
		r.Equal(there, since(func() {
			client.Write([]byte("a"))
			time.Sleep(time.Millisecond)
			client.Write([]byte("b"))
			server.Read(buf[:1])
		}))
		r.Equal(time.Millisecond, since(func() { server.Read(buf) }), "pieces travel at the same time")
		r.Equal(back, since(func() { server.Close(); client.Read(buf) }), "an end takes its time too")
		_, err = n.DialContext(context.Background(), "tcp", "server:8")
		r.ErrorIs(err, syscall.ECONNREFUSED)
	}, labtest.ToServer.Delay(there, there), labtest.ToClient.Delay(back, back))
}

func TestStreamHasABandwidth(t *testing.T) {
	inMemory(t, func(n *labtest.StreamNet, r *require.Assertions) {
		client, server := n.Pair()
		go func() {
			client.Write(make([]byte, 200_000)) // more than fits
			client.Close()
		}()
		r.Equal(2*time.Second, since(func() {
			got, err := io.ReadAll(server)
			r.NoError(err)
			r.Len(got, 200_000)
		}))
	}, labtest.ToServer.Bandwidth(100_000))
}

func TestStreamCoalesces(t *testing.T) {
	inMemory(t, func(n *labtest.StreamNet, r *require.Assertions) {
		client, server := n.Pair()
		go func() {
			for range 10 {
				client.Write([]byte("x"))
				time.Sleep(time.Millisecond)
			}
		}()
		var read int
		r.Equal(20*time.Millisecond, since(func() { read, _ = server.Read(make([]byte, 100)) }))
		r.Equal(10, read)
	}, labtest.ToServer.Coalesce(20*time.Millisecond))
}

func TestStreamFragmentsByTheSeed(tt *testing.T) {
	t := labtest.Begin(tt)
	fault := labtest.ToServer.Fragment(1, 100)
	sizes := func(name string, write int) (all []int) {
		network := t.StreamNet(name, fault)
		t.FakeTime(func() {
			client, server := network.Pair()
			go func() {
				for b := text(5000); len(b) > 0; b = b[min(write, len(b)):] {
					client.Write(b[:min(write, len(b))])
				}
				client.Close()
			}()
			for buf := make([]byte, 200); ; {
				k, err := server.Read(buf)
				if err != nil {
					return
				}
				all = append(all, k)
			}
		})
		return all
	}
	first := sizes("a", 5000)
	require.Greater(t, len(first), 50)
	require.Equal(t, first, sizes("a", 5000), "the same name and number: the same pieces")
	require.NotEqual(t, first, sizes("b", 5000))
	var cuts []int // where a piece ends, whatever the writes were
	for at, i := 0, 0; i < len(first); i++ {
		at += first[i]
		cuts = append(cuts, at)
	}
	at := 0
	ends := map[int]bool{}
	for _, k := range sizes("a", 40) {
		require.LessOrEqual(t, k, 100)
		at += k
		ends[at] = true
	}
	for _, c := range cuts {
		require.True(t, ends[c], "no piece ends at %d, where one did", c)
	}
}

func TestStreamDeadlines(t *testing.T) {
	inMemory(t, func(n *labtest.StreamNet, r *require.Assertions) {
		n.Buffer = 1000
		client, server := n.Pair()
		r.NoError(client.SetReadDeadline(time.Now().Add(time.Hour)))
		r.Equal(time.Hour, since(func() {
			_, err := client.Read(make([]byte, 1))
			r.ErrorIs(err, os.ErrDeadlineExceeded)
		}))
		r.NoError(client.SetWriteDeadline(time.Now().Add(time.Minute)))
		r.Equal(time.Minute, since(func() {
			k, err := client.Write(make([]byte, 1500))
			r.ErrorIs(err, os.ErrDeadlineExceeded)
			r.Equal(1000, k, "as many as fit")
		}))
		_, err := client.Write([]byte("x"))
		r.ErrorIs(err, os.ErrDeadlineExceeded, "until it is set anew")
		r.NoError(client.SetDeadline(time.Time{}))
		go func() {
			time.Sleep(time.Second)
			server.Read(make([]byte, 10))
		}()
		r.Equal(time.Second, since(func() {
			k, err := client.Write(make([]byte, 10))
			r.NoError(err)
			r.Equal(10, k)
		}))
	})
}

func TestStreamWritesAreNotMixed(t *testing.T) {
	inMemory(t, func(n *labtest.StreamNet, r *require.Assertions) {
		n.Buffer = 7
		client, server := n.Pair()
		var writers sync.WaitGroup
		for i := range 20 {
			writers.Go(func() { client.Write(bytes.Repeat([]byte{byte('a' + i)}, 100)) })
		}
		go func() { writers.Wait(); client.Close() }()
		got, err := io.ReadAll(server)
		r.NoError(err)
		for i := 0; i < len(got); i += 100 {
			r.Equal(bytes.Repeat(got[i:i+1], 100), got[i:i+100])
		}
	})
}

func TestStreamEndsLikeTCP(t *testing.T) {
	buf := make([]byte, 100)
	read := func(c net.Conn) error { _, err := c.Read(buf); return err }
	write := func(c net.Conn) error { _, err := c.Write([]byte("x")); return err }
	t.Run("half-close", func(t *testing.T) {
		inMemory(t, func(n *labtest.StreamNet, r *require.Assertions) {
			client, server := n.Pair()
			r.NoError(write(client))
			r.NoError(client.CloseWrite())
			r.ErrorIs(write(client), syscall.EPIPE)
			r.NoError(read(server))
			r.Equal(io.EOF, read(server))
			r.NoError(write(server))
			r.NoError(read(client))
			r.NoError(server.Close())
			r.Equal(io.EOF, read(client))
			r.NoError(client.Close())
			r.ErrorIs(client.Close(), net.ErrClosed)
			r.ErrorIs(read(client), net.ErrClosed)
			r.ErrorIs(client.SetDeadline(time.Time{}), net.ErrClosed)
		})
	})
	t.Run("close with input resets", func(t *testing.T) {
		inMemory(t, func(n *labtest.StreamNet, r *require.Assertions) {
			client, server := n.Pair()
			r.NoError(write(client))
			r.NoError(write(server))
			r.NoError(server.Close())
			r.ErrorIs(read(client), syscall.ECONNRESET, "what had arrived is gone")
			r.ErrorIs(write(client), syscall.ECONNRESET)
		})
	})
	t.Run("input after close resets", func(t *testing.T) {
		inMemory(t, func(n *labtest.StreamNet, r *require.Assertions) {
			client, server := n.Pair()
			r.NoError(write(server))
			r.NoError(server.Close())
			r.NoError(write(client), "the first one nobody knows of")
			r.ErrorIs(write(client), syscall.EPIPE)
			r.Equal(io.EOF, read(client), "and the answer is gone")
		})
	})
	t.Run("reset", func(t *testing.T) {
		inMemory(t, func(n *labtest.StreamNet, r *require.Assertions) {
			for _, reset := range []func(c *labtest.StreamConn){
				(*labtest.StreamConn).Reset,
				func(c *labtest.StreamConn) { c.SetLinger(0); c.Close() },
			} {
				client, server := n.Pair()
				waiting := make(chan error, 1)
				go func() { waiting <- read(client) }()
				time.Sleep(time.Second)
				reset(server)
				r.ErrorIs(<-waiting, syscall.ECONNRESET)
				r.Error(client.CloseWrite())
				r.NoError(client.Close())
			}
		})
	})
	t.Run("close wakes", func(t *testing.T) {
		inMemory(t, func(n *labtest.StreamNet, r *require.Assertions) {
			n.Buffer = 10
			client, _ := n.Pair()
			errs := make(chan error, 2)
			go func() { errs <- read(client) }()
			go func() { _, err := client.Write(buf); errs <- err }()
			time.Sleep(time.Second)
			client.Close()
			r.ErrorIs(<-errs, net.ErrClosed)
			r.ErrorIs(<-errs, net.ErrClosed)
		})
	})
}

func TestStreamBreaksAfterSoManyBytes(t *testing.T) {
	fill := func(c net.Conn, most int) (n int, err error) {
		c.SetWriteDeadline(time.Now().Add(time.Minute))
		for n < most && err == nil {
			var k int
			k, err = c.Write(make([]byte, 70))
			n += k
		}
		return n, err
	}
	drain := func(c net.Conn) (int, error) {
		c.SetReadDeadline(time.Now().Add(time.Hour))
		n, err := io.Copy(io.Discard, c)
		return int(n), err
	}
	t.Run("cut", func(t *testing.T) {
		inMemory(t, func(n *labtest.StreamNet, r *require.Assertions) {
			client, server := n.Pair()
			k, err := fill(client, 700)
			r.NoError(err)
			r.Equal(700, k, "the rest is swallowed")
			k, err = drain(server)
			r.NoError(err)
			r.Equal(100, k)
			k, err = drain(client)
			r.NoError(err, "both ends get a FIN")
			r.Zero(k)
		}, labtest.ToServer.CutAfter(100), labtest.ToServer.Fragment(1, 9))
	})
	t.Run("reset", func(t *testing.T) {
		inMemory(t, func(n *labtest.StreamNet, r *require.Assertions) {
			client, server := n.Pair()
			_, err := fill(client, 700)
			r.ErrorIs(err, syscall.ECONNRESET)
			_, err = drain(server)
			r.ErrorIs(err, syscall.ECONNRESET)
		}, labtest.ToServer.ResetAfter(100))
	})
	t.Run("stall", func(t *testing.T) {
		inMemory(t, func(n *labtest.StreamNet, r *require.Assertions) {
			n.Buffer = 500
			client, server := n.Pair()
			k, err := fill(client, 7000)
			r.ErrorIs(err, os.ErrDeadlineExceeded)
			r.Equal(500, k)
			k, err = drain(server)
			r.ErrorIs(err, os.ErrDeadlineExceeded)
			r.Equal(100, k)
			r.NoError(client.Close())
			_, err = drain(server)
			r.ErrorIs(err, os.ErrDeadlineExceeded, "an end does not pass either")
		}, labtest.ToServer.StallAfter(100))
	})
	t.Run("at once", func(t *testing.T) {
		inMemory(t, func(n *labtest.StreamNet, r *require.Assertions) {
			client, server := n.Pair()
			_, err := drain(client)
			r.NoError(err)
			_, err = drain(server)
			r.NoError(err)
		}, labtest.ToClient.CutAfter(0))
	})
}

func TestStreamNetBreaksAllConnections(t *testing.T) {
	inMemory(t, func(n *labtest.StreamNet, r *require.Assertions) {
		l, err := n.Listen("server:7")
		r.NoError(err)
		_, err = n.Listen("server:7")
		r.ErrorIs(err, syscall.EADDRINUSE)
		client, server := n.Pair()
		n.Stall()
		client.Write([]byte("x"))
		go func() { time.Sleep(time.Hour); n.Resume() }()
		r.Equal(time.Hour, since(func() { server.Read(make([]byte, 1)) }))

		n.Stall()
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		r.Equal(time.Minute, since(func() { _, err = n.DialContext(ctx, "tcp", "server:7") }))
		r.ErrorIs(err, context.DeadlineExceeded)
		var timeout net.Error
		r.True(errors.As(err, &timeout) && timeout.Timeout())
		cancel()
		n.Resume()

		a, err := n.DialContext(context.Background(), "tcp", "server:7")
		r.NoError(err)
		n.Cut()
		for _, c := range []net.Conn{client, server, a} {
			_, err = c.Read(make([]byte, 1))
			r.Equal(io.EOF, err)
		}
		b, err := n.DialContext(context.Background(), "tcp", "server:7")
		r.NoError(err)
		n.Reset()
		_, err = b.Read(make([]byte, 1))
		r.ErrorIs(err, syscall.ECONNRESET)
		r.NoError(l.Close())
		r.ErrorIs(l.Close(), net.ErrClosed)
	})
}

func TestStreamListenerTurnsAway(t *testing.T) {
	inMemory(t, func(n *labtest.StreamNet, r *require.Assertions) {
		l, err := n.Listen("server:7")
		r.NoError(err)
		r.Equal("server:7", l.Addr().String())
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		var waiting []net.Conn // until the backlog is full
		for err == nil {
			var c net.Conn
			if c, err = n.DialContext(ctx, "tcp", "server:7"); err == nil {
				waiting = append(waiting, c)
			}
		}
		r.ErrorIs(err, context.DeadlineExceeded)
		accepting := make(chan error, 1)
		first, err := l.Accept()
		r.NoError(err)
		r.NoError(l.Close())
		go func() { _, err := l.Accept(); accepting <- err }()
		r.ErrorIs(<-accepting, net.ErrClosed)
		for i, c := range waiting[1:] {
			_, err := c.Read(make([]byte, 1))
			r.ErrorIs(err, syscall.ECONNRESET, "%d", i)
		}
		go first.Write([]byte("x")) // accepted before, it goes on
		_, err = waiting[0].Read(make([]byte, 1))
		r.NoError(err)
		_, err = n.DialContext(context.Background(), "tcp", "server:7")
		r.ErrorIs(err, syscall.ECONNREFUSED)
		_, err = n.Listen("server:7")
		r.NoError(err, "the address is free again")
	})
}

func TestStreamWritesLessIfAskedTo(t *testing.T) {
	inMemory(t, func(n *labtest.StreamNet, r *require.Assertions) {
		n.MostPerWrite = 3
		client, server := n.Pair()
		k, err := client.Write([]byte("12345"))
		r.NoError(err)
		r.Equal(3, k)
		client.Close()
		got, err := io.ReadAll(server)
		r.NoError(err)
		r.Equal("123", string(got))
	})
}

func TestThousandClientsAnHour(t *testing.T) {
	inMemory(t, func(n *labtest.StreamNet, r *require.Assertions) {
		l, err := n.Listen("server:7")
		r.NoError(err)
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go io.Copy(c, c)
			}
		}()
		const clients = 1000
		errs := make(chan error, clients)
		for range clients {
			go func() {
				errs <- func() error {
					c, err := n.DialContext(context.Background(), "tcp", "server:7")
					if err != nil {
						return err
					}
					defer c.Close()
					for range 6 {
						time.Sleep(10 * time.Minute)
						if _, err := c.Write([]byte("ping")); err != nil {
							return err
						}
						if _, err := io.ReadFull(c, make([]byte, 4)); err != nil {
							return err
						}
					}
					return nil
				}()
			}()
		}
		for range clients {
			r.NoError(<-errs)
		}
		l.Close()
	}, labtest.ToServer.Delay(10*time.Millisecond, 20*time.Millisecond))
}

func TestProxyHasABandwidth(tt *testing.T) {
	t := labtest.Begin(tt)
	proxy := t.Proxy("proxy", target(t, echo), labtest.ToClient.Bandwidth(100_000))
	c := dial(t, proxy.Addr())
	began := time.Now()
	_, err := c.Write(text(10_000))
	require.NoError(t, err)
	c.CloseWrite()
	got, err := io.ReadAll(c)
	require.NoError(t, err)
	require.Len(t, got, 10_000)
	require.GreaterOrEqual(t, time.Since(began), 100*time.Millisecond)
}
