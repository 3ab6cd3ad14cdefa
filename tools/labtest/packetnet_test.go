package labtest_test

import (
	"encoding/binary"
	"errors"
	"math"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/labtest"
)

// numbered is the datagram with a number.
func numbered(i int) []byte { return binary.BigEndian.AppendUint32(nil, uint32(i)) }

// A landing is when a numbered datagram arrived.
type landing struct {
	number int
	after  time.Duration
}

// sendAll sends so many datagrams from alice to bob, a millisecond apart, and
// returns what arrives.
func sendAll(n *labtest.PacketNet, datagrams int) (arrived []landing) {
	defer n.Close()
	began := time.Now()
	alice, bob := n.Dial("alice", n.Addr("bob")), n.Listen("bob")
	var reading sync.WaitGroup
	reading.Go(func() {
		buf := make([]byte, 100)
		for {
			size, err := bob.Read(buf)
			if err != nil {
				return
			}
			arrived = append(arrived, landing{int(binary.BigEndian.Uint32(buf[:size])), time.Since(began)})
		}
	})
	for i := range datagrams {
		alice.Write(numbered(i))
		time.Sleep(time.Millisecond)
	}
	time.Sleep(time.Minute)
	bob.Close()
	reading.Wait()
	return arrived
}

func TestDatagramsArriveInOrderWithoutFaults(tt *testing.T) {
	t := labtest.Begin(tt)
	n := t.PacketNet("net", labtest.Latency(7*time.Millisecond, 7*time.Millisecond))
	var arrived []landing
	t.FakeTime(func() { arrived = sendAll(n, 1000) })
	require.Len(t, arrived, 1000)
	for i, a := range arrived {
		require.Equal(t, landing{i, time.Duration(i+7) * time.Millisecond}, a)
	}
	require.Equal(t, labtest.PacketCounts{Sent: 1000, Arrived: 1000}, n.Counts())
}

func TestFaultsHappenAsOftenAsPromised(tt *testing.T) {
	t := labtest.Begin(tt)
	const datagrams = 20_000
	n := t.PacketNet("net", labtest.Lose(0.2), labtest.Duplicate(0.1), labtest.Reorder(0.05, 30*time.Millisecond), labtest.Latency(5*time.Millisecond, 25*time.Millisecond))
	var arrived []landing
	t.FakeTime(func() { arrived = sendAll(n, datagrams) })

	about := func(of int, likely float64, got int, what string) { // within six standard deviations
		require.InDelta(t, float64(of)*likely, got, 6*math.Sqrt(float64(of)*likely*(1-likely)), what)
	}
	copies, late, sum, first := map[int]int{}, 0, time.Duration(0), 0
	for _, a := range arrived {
		took := a.after - time.Duration(a.number)*time.Millisecond
		require.GreaterOrEqual(t, took, 5*time.Millisecond)
		require.LessOrEqual(t, took, 55*time.Millisecond)
		if took > 25*time.Millisecond {
			late++ // held back: 5 + 30 ms at least
		} else {
			sum += took
			first++
		}
		copies[a.number]++
	}
	twice := 0
	for _, c := range copies {
		require.LessOrEqual(t, c, 2)
		twice += c - 1
	}
	about(datagrams, 0.8, len(copies), "datagrams that arrived")
	about(len(copies), 0.1, twice, "that arrived twice")
	about(len(copies), 0.05, late, "that were held back")
	require.InDelta(t, 15, float64(sum)/float64(first)/float64(time.Millisecond), 0.5, "ms on the way, on average")

	counts := n.Counts()
	require.Equal(t, datagrams, counts.Sent)
	require.Equal(t, datagrams-len(copies), counts.Lost)
	require.Equal(t, twice, counts.Duplicated)
	require.Equal(t, len(arrived), counts.Arrived)
}

func TestPlanIsWhatHappens(tt *testing.T) {
	t := labtest.Begin(tt)
	faults := []labtest.PacketFault{labtest.Lose(0.3), labtest.Duplicate(0.2), labtest.Reorder(0.2, 50*time.Millisecond), labtest.Latency(0, 9*time.Millisecond)}
	n := t.PacketNet("net", faults...)
	want := map[landing]int{}
	for i, passage := range n.Plan("alice", "bob", 500) {
		for _, took := range passage {
			want[landing{i, took + time.Duration(i)*time.Millisecond}]++
		}
	}
	var arrived, again []landing
	t.FakeTime(func() { arrived = sendAll(n, 500) })
	got := map[landing]int{}
	for _, a := range arrived {
		got[a]++
	}
	require.Equal(t, want, got)

	// Another network of that name has the same fate, also when others talk.
	busy := t.PacketNet("net", faults...)
	t.FakeTime(func() {
		carol := busy.Listen("carol")
		for range 100 {
			carol.WriteToUDPAddrPort([]byte("hello"), busy.Addr("dave"))
		}
		again = sendAll(busy, 500)
	})
	require.Equal(t, arrived, again)
	require.NotEqual(t, n.Plan("alice", "bob", 50), n.Plan("bob", "alice", 50))
	require.NotEqual(t, n.Plan("alice", "bob", 50), t.PacketNet("other", faults...).Plan("alice", "bob", 50))
}

func TestWhatIsCutDoesNotPass(tt *testing.T) {
	t := labtest.Begin(tt)
	n := t.PacketNet("net", labtest.Latency(time.Millisecond, time.Millisecond))
	n.Path("carol", "alice", labtest.Lose(1))
	heard := map[string]string{}
	t.FakeTime(func() {
		defer n.Close()
		ends := map[string]*labtest.PacketEnd{}
		for _, name := range []string{"alice", "bob", "carol"} {
			ends[name] = n.Listen(name)
		}
		// everybody says something to everybody else, and listens
		round := func(when string) {
			for _, from := range []string{"alice", "bob", "carol"} {
				for _, to := range []string{"alice", "bob", "carol"} {
					if from != to {
						ends[from].WriteToUDPAddrPort([]byte(from[:1]), n.Addr(to))
					}
				}
			}
			time.Sleep(time.Second)
			for _, name := range []string{"alice", "bob", "carol"} {
				ends[name].SetReadDeadline(time.Now().Add(time.Millisecond))
				for buf := make([]byte, 10); ; {
					size, err := ends[name].Read(buf)
					if err != nil {
						break
					}
					heard[when] += string(buf[:size])
				}
				heard[when] += " "
			}
		}
		round("at first")
		n.Cut("alice", "bob")
		round("one way")
		n.Heal()
		n.Partition("alice", "bob")
		round("partition")
		n.Heal()
		round("healed")
	})
	require.Equal(t, map[string]string{
		"at first":  "b ac ab ",
		"one way":   "b c ab ",
		"partition": "b a  ",
		"healed":    "b ac ab ",
	}, heard)
	require.Equal(t, 1+4, n.Counts().Cut)
	require.Equal(t, 4, n.Counts().Lost+1) // on its way from carol to alice: cut in one of four rounds
}

func TestFullQueueLosesWhatArrives(tt *testing.T) {
	t := labtest.Begin(tt)
	n := t.PacketNet("net")
	alice, bob := n.Listen("alice"), n.Listen("bob")
	for i := range labtest.PacketQueue + 10 {
		_, err := alice.WriteToUDPAddrPort(numbered(i), bob.AddrPort())
		require.NoError(t, err)
	}
	require.Equal(t, labtest.PacketQueue, n.Counts().Arrived)
	require.Equal(t, 10, n.Counts().Overflowed)
	buf := make([]byte, 10)
	for i := range labtest.PacketQueue {
		size, from, err := bob.ReadFromUDPAddrPort(buf)
		require.NoError(t, err)
		require.Equal(t, alice.AddrPort(), from)
		require.Equal(t, numbered(i), buf[:size])
	}
}

func TestParticipantMayHaveSeveralEnds(tt *testing.T) {
	t := labtest.Begin(tt)
	n := t.PacketNet("net")
	first := n.Listen("alice")
	require.Equal(t, n.Addr("alice"), first.AddrPort())
	second := n.Listen("alice")
	require.Equal(t, first.AddrPort().Addr(), second.AddrPort().Addr())
	require.NotEqual(t, first.AddrPort(), second.AddrPort())
	require.NoError(t, first.Close())
	require.Equal(t, n.Addr("alice"), n.Listen("alice").AddrPort())
	require.NotEqual(t, first.AddrPort().Addr(), n.Addr("bob").Addr())
}

// socket is what both kinds of ends can do.
type socket interface {
	net.PacketConn
	net.Conn
	ReadFromUDPAddrPort([]byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort([]byte, netip.AddrPort) (int, error)
}

// TestEndDoesWhatUDPDoes tries the same on the kernel's sockets and on ours.
func TestEndDoesWhatUDPDoes(t *testing.T) {
	type makers struct {
		listen func(t *labtest.T) socket
		dial   func(t *labtest.T, to netip.AddrPort) socket
	}
	inMemory := func(t *labtest.T) makers {
		n := t.PacketNet("net")
		return makers{
			func(*labtest.T) socket { return n.Listen("bob") },
			func(t *labtest.T, to netip.AddrPort) socket { return n.Dial("alice", to) },
		}
	}
	kernel := func(*labtest.T) makers {
		return makers{
			func(t *labtest.T) socket {
				c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
				require.NoError(t, err)
				t.Cleanup(func() { c.Close() })
				return c
			},
			func(t *labtest.T, to netip.AddrPort) socket {
				c, err := net.DialUDP("udp4", nil, net.UDPAddrFromAddrPort(to))
				require.NoError(t, err)
				t.Cleanup(func() { c.Close() })
				return c
			},
		}
	}
	addr := func(s socket) netip.AddrPort { return s.LocalAddr().(*net.UDPAddr).AddrPort() }
	for name, of := range map[string]func(*labtest.T) makers{"kernel": kernel, "memory": inMemory} {
		t.Run(name, func(tt *testing.T) {
			t := labtest.Begin(tt)
			m := of(t)
			bob := m.listen(t)
			alice := m.dial(t, addr(bob))
			buf := make([]byte, 4)

			// A datagram may be empty, and what does not fit is gone.
			for _, text := range []string{"", "hi", "too long"} {
				_, err := alice.Write([]byte(text))
				require.NoError(t, err)
			}
			for _, want := range []string{"", "hi", "too "} {
				size, from, err := bob.ReadFromUDPAddrPort(buf)
				require.NoError(t, err)
				require.Equal(t, want, string(buf[:size]))
				require.Equal(t, addr(alice), from)
			}

			// A connected end hears only its own.
			stranger := m.listen(t)
			_, err := stranger.WriteTo([]byte("no"), alice.LocalAddr())
			require.NoError(t, err)
			_, err = bob.WriteToUDPAddrPort([]byte("yes"), addr(alice))
			require.NoError(t, err)
			size, from, err := alice.ReadFrom(buf)
			require.NoError(t, err)
			require.Equal(t, "yes", string(buf[:size]))
			require.Equal(t, bob.LocalAddr().String(), from.String())

			// Who can write how.
			_, err = alice.WriteTo([]byte("x"), bob.LocalAddr())
			require.ErrorIs(t, err, net.ErrWriteToConnected)
			_, err = bob.Write([]byte("x"))
			require.ErrorIs(t, err, syscall.EDESTADDRREQ)
			_, err = alice.Write(make([]byte, 65508))
			require.ErrorIs(t, err, syscall.EMSGSIZE)

			// Deadlines: reached at once, and moved while somebody waits.
			require.NoError(t, bob.SetReadDeadline(time.Now().Add(-time.Second)))
			_, err = bob.Read(buf)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			var timeout net.Error
			require.ErrorAs(t, err, &timeout)
			require.True(t, timeout.Timeout())
			require.NoError(t, bob.SetReadDeadline(time.Time{}))
			waited := make(chan error, 1)
			go func() { _, err := bob.Read(buf); waited <- err }()
			require.NoError(t, bob.SetReadDeadline(time.Now().Add(-time.Second)))
			require.ErrorIs(t, <-waited, os.ErrDeadlineExceeded)
			require.NoError(t, bob.SetDeadline(time.Time{}))
			require.NoError(t, alice.SetWriteDeadline(time.Now().Add(-time.Second)))
			_, err = alice.Write([]byte("x"))
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.NoError(t, alice.SetWriteDeadline(time.Time{}))

			// Closing wakes who waits.
			go func() { _, err := bob.Read(buf); waited <- err }()
			require.NoError(t, bob.Close())
			require.ErrorIs(t, <-waited, net.ErrClosed)
			_, err = bob.WriteToUDPAddrPort([]byte("x"), addr(alice))
			require.ErrorIs(t, err, net.ErrClosed)
			require.ErrorIs(t, bob.Close(), net.ErrClosed)

			// A connected end hears that nobody listens, at its next call, once;
			// one that is not connected does not.
			_, err = alice.Write([]byte("x"))
			require.NoError(t, err)
			require.NoError(t, alice.SetReadDeadline(time.Now().Add(5*time.Second)))
			_, err = alice.Read(buf)
			if !errors.Is(err, syscall.ECONNREFUSED) && name == "kernel" {
				t.Skipf("this system does not report it: %v", err)
			}
			require.ErrorIs(t, err, syscall.ECONNREFUSED)
			_, err = alice.Write([]byte("x"))
			require.NoError(t, err)
			_, err = stranger.WriteTo([]byte("x"), bob.LocalAddr())
			require.NoError(t, err)
			require.NoError(t, stranger.SetReadDeadline(time.Now().Add(10*time.Millisecond)))
			_, err = stranger.Read(buf)
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		})
	}
}
