package labtest_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/labtest"
)

// target accepts connections and gives each to handle, until the test ends.
func target(t *labtest.T, handle func(*net.TCPConn)) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	var all sync.WaitGroup
	all.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			all.Go(func() {
				defer c.Close()
				handle(c.(*net.TCPConn))
			})
		}
	})
	t.Cleanup(all.Wait)
	t.Cleanup(func() { l.Close() })
	return l.Addr().String()
}

// dial connects to addr until the test ends.
func dial(t *labtest.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { c.Close() })
	require.NoError(t, c.SetDeadline(time.Now().Add(5*time.Second)))
	return c.(*net.TCPConn)
}

// echo returns what it gets, and then the end of it.
func echo(c *net.TCPConn) {
	io.Copy(c, c)
	c.CloseWrite()
}

// text is n bytes of which no two stretches are alike.
func text(n int) []byte {
	var b bytes.Buffer
	for i := 0; b.Len() < n; i++ {
		b.WriteString(time.Duration(i).String())
	}
	return b.Bytes()[:n]
}

func TestBytesArriveWholeAndInOrder(t *testing.T) {
	both := func(fault func(labtest.Direction) labtest.Fault) []labtest.Fault {
		return []labtest.Fault{fault(labtest.ToServer), fault(labtest.ToClient)}
	}
	for name, faults := range map[string][]labtest.Fault{
		"nothing":  nil,
		"Fragment": both(func(d labtest.Direction) labtest.Fault { return d.Fragment(1, 7) }),
		"Coalesce": both(func(d labtest.Direction) labtest.Fault { return d.Coalesce(5 * time.Millisecond) }),
		"Delay":    both(func(d labtest.Direction) labtest.Fault { return d.Delay(0, time.Millisecond) }),
		"all": {
			labtest.ToServer.Fragment(1, 100), labtest.ToServer.Coalesce(time.Millisecond), labtest.ToServer.Delay(0, 100*time.Microsecond),
			labtest.ToClient.Fragment(1000, 1000),
		},
	} {
		t.Run(name, func(tt *testing.T) {
			t := labtest.Begin(tt)
			t.NoLeaks()
			proxy := t.Proxy("proxy", target(t, echo), faults...)
			c := dial(t, proxy.Addr())
			want := text(20_000)
			go func() {
				for i := 0; i < len(want); i += 1000 {
					c.Write(want[i : i+1000])
				}
				c.CloseWrite()
			}()
			got, err := io.ReadAll(c)
			require.NoError(t, err)
			require.True(t, bytes.Equal(want, got), "%d bytes went, %d came", len(want), len(got))
		})
	}
}

func TestFragmentsAreSmall(tt *testing.T) {
	t := labtest.Begin(tt)
	sizes := make(chan int, 100)
	proxy := t.Proxy("proxy", target(t, func(c *net.TCPConn) {
		defer close(sizes)
		buf := make([]byte, 100)
		for total := 0; total < 30; {
			n, err := c.Read(buf)
			if err != nil {
				return
			}
			total += n
			sizes <- n
		}
	}), labtest.ToServer.Fragment(3, 3), labtest.ToServer.Delay(10*time.Millisecond, 10*time.Millisecond))
	_, err := dial(t, proxy.Addr()).Write(text(30))
	require.NoError(t, err)
	pieces := 0
	for n := range sizes {
		pieces++
		require.Zero(t, n%3, "a piece was cut")
	}
	require.Greater(t, pieces, 1, "10 pieces came in %d reads", pieces)
}

func TestCoalescedBytesComeAtOnce(tt *testing.T) {
	t := labtest.Begin(tt)
	first := make(chan int, 1)
	proxy := t.Proxy("proxy", target(t, func(c *net.TCPConn) {
		n, _ := c.Read(make([]byte, 100))
		first <- n
	}), labtest.ToServer.Coalesce(500*time.Millisecond))
	alice := t.Peer("alice", dial(t, proxy.Addr()))
	alice.SendBytewise(text(20))
	require.Equal(t, 20, <-first)
}

func TestDelayIsWaited(tt *testing.T) {
	t := labtest.Begin(tt)
	proxy := t.Proxy("proxy", target(t, echo), labtest.ToClient.Delay(50*time.Millisecond, 60*time.Millisecond))
	c := dial(t, proxy.Addr())
	began := time.Now()
	_, err := c.Write([]byte("x"))
	require.NoError(t, err)
	_, err = io.ReadFull(c, make([]byte, 1))
	require.NoError(t, err)
	require.GreaterOrEqual(t, time.Since(began), 50*time.Millisecond)
}

func TestCutComesAfterExactlySoManyBytes(t *testing.T) {
	for _, n := range []int{0, 1, 97, 4096, 50_000} {
		t.Run("", func(tt *testing.T) {
			t := labtest.Begin(tt)
			t.NoLeaks()
			ended := make(chan error, 1)
			proxy := t.Proxy("proxy", target(t, func(c *net.TCPConn) {
				c.Write(text(60_000))
				_, err := c.Read(make([]byte, 1))
				ended <- err
			}), labtest.ToClient.CutAfter(int64(n)))
			got, err := io.ReadAll(dial(t, proxy.Addr()))
			require.NoError(t, err)
			require.True(t, bytes.Equal(text(60_000)[:n], got), "%d bytes came, not %d", len(got), n)
			require.ErrorIs(t, <-ended, io.EOF, "the server's end")
		})
	}
}

func TestResetIsSeenOnBothSides(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	ended := make(chan error, 1)
	proxy := t.Proxy("proxy", target(t, func(c *net.TCPConn) {
		c.Read(make([]byte, 1))
		c.Write(text(100))
		_, err := c.Read(make([]byte, 1))
		ended <- err
	}), labtest.ToClient.ResetAfter(10))
	c := dial(t, proxy.Addr())
	c.Write([]byte("?"))
	got, err := io.ReadAll(c)
	require.ErrorIs(t, err, syscall.ECONNRESET)
	require.LessOrEqual(t, len(got), 10)
	require.ErrorIs(t, <-ended, syscall.ECONNRESET)
}

func TestStallKeepsTheConnectionOpen(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	proxy := t.Proxy("proxy", target(t, func(c *net.TCPConn) {
		c.Write(text(100))
		io.Copy(io.Discard, c)
	}), labtest.ToClient.StallAfter(10))
	c := dial(t, proxy.Addr())
	got := make([]byte, 100)
	_, err := io.ReadFull(c, got[:10])
	require.NoError(t, err)
	require.NoError(t, c.SetReadDeadline(time.Now().Add(50*time.Millisecond)))
	_, err = c.Read(got[10:])
	var timeout net.Error
	require.ErrorAs(t, err, &timeout)
	require.True(t, timeout.Timeout())
}

func TestStallAndResumeLoseNothing(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	proxy := t.Proxy("proxy", target(t, echo))
	alice := t.Dial("alice", proxy.Addr())
	alice.Send(`{"n":1}`)
	alice.Expect(labtest.Fields{"n": 1})
	proxy.Stall()
	proxy.Stall()
	alice.Send(`{"n":2}`)
	alice.ExpectNothing(50 * time.Millisecond)
	proxy.Resume()
	proxy.Resume()
	alice.Expect(labtest.Fields{"n": 2})
}

func TestCutAndResetAtRunTime(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	proxy := t.Proxy("proxy", target(t, echo))
	alice := t.Dial("alice", proxy.Addr())
	alice.Send(`{}`)
	alice.Receive()
	proxy.Cut()
	alice.ExpectEOF()

	bob := t.Dial("bob", proxy.Addr())
	bob.Send(`{}`)
	bob.Receive()
	proxy.Reset()
	bob.ExpectReset()
}

func TestOrderlyEndsPassThrough(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	proxy := t.Proxy("proxy", target(t, echo), labtest.ToServer.Fragment(1, 3))
	alice := t.Dial("alice", proxy.Addr())
	alice.Send(`{"the":"last"}`)
	alice.CloseWrite()
	alice.Expect(labtest.Fields{"the": "last"})
	alice.ExpectEOF()
}

func TestResetsPassThrough(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	ended := make(chan error, 1)
	proxy := t.Proxy("proxy", target(t, func(c *net.TCPConn) {
		_, err := io.Copy(io.Discard, c)
		ended <- err
	}))
	alice := t.Dial("alice", proxy.Addr())
	alice.Send(`{}`)
	alice.Reset()
	require.ErrorIs(t, <-ended, syscall.ECONNRESET)
}

func TestProxyResetsWhatTheTargetRefuses(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	l.Close()
	// The reset may come before connect(2) has been seen to succeed.
	c, err := net.Dial("tcp", t.Proxy("proxy", l.Addr().String()).Addr())
	if err == nil {
		defer c.Close()
		_, err = c.Read(make([]byte, 1))
	}
	require.ErrorIs(t, err, syscall.ECONNRESET)
}

func TestSameSeedSamePlan(tt *testing.T) {
	t := labtest.Begin(tt)
	faults := []labtest.Fault{
		labtest.ToServer.Fragment(1, 100), labtest.ToServer.Delay(0, time.Second), labtest.ToClient.Fragment(1, 100),
	}
	a, b := t.Proxy("proxy", "127.0.0.1:1", faults...), t.Proxy("proxy", "127.0.0.1:1", faults...)
	other := t.Proxy("other", "127.0.0.1:1", faults...)
	plan := a.Plan(1, labtest.ToServer, 50)
	require.Equal(t, plan, a.Plan(1, labtest.ToServer, 50))
	require.Equal(t, plan, b.Plan(1, labtest.ToServer, 50))
	require.NotEqual(t, plan, a.Plan(2, labtest.ToServer, 50))
	require.NotEqual(t, plan, a.Plan(1, labtest.ToClient, 50))
	require.NotEqual(t, plan, other.Plan(1, labtest.ToServer, 50))
	for _, p := range plan {
		require.True(t, p.Bytes >= 1 && p.Bytes <= 100 && p.Delay <= time.Second, "%+v", p)
	}
	require.Equal(t, []labtest.Piece{{}, {}}, t.Proxy("plain", "127.0.0.1:1").Plan(1, labtest.ToServer, 2))
}

func TestProxyCarriesManyConnections(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	proxy := t.Proxy("proxy", target(t, echo), labtest.ToServer.Fragment(1, 50))
	var all sync.WaitGroup
	failures := make(chan error, 20)
	for range 20 {
		c := dial(t, proxy.Addr())
		all.Go(func() {
			go func() {
				c.Write(text(3000))
				c.CloseWrite()
			}()
			got, err := io.ReadAll(c)
			if err == nil && !bytes.Equal(text(3000), got) {
				err = errors.New("other bytes came")
			}
			if err != nil {
				failures <- err
			}
		})
	}
	all.Wait()
	close(failures)
	for err := range failures {
		t.Error(err)
	}
}
