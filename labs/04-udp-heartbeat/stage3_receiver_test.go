package udpheartbeat_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"net"
	"net/netip"
	"os"
	"runtime"
	"strings"
	"syscall"
	"testing"
	"time"

	heartbeat "workbook.example/labs/04-udp-heartbeat"
	"workbook.example/tools/labtest"
)

const (
	fresh     = heartbeat.Fresh
	late      = heartbeat.Late
	duplicate = heartbeat.Duplicate
	stale     = heartbeat.Stale
)

// A number is one that came, and what a Window must say of it.
type number struct {
	seq  uint32
	want heartbeat.Verdict
}

// accepts gives numbers to a Window, which must say of each what is wanted.
func accepts(t *labtest.T, numbers ...number) *heartbeat.Window {
	t.Helper()
	w := new(heartbeat.Window)
	var before []uint32
	for _, n := range numbers {
		if got := w.Accept(n.seq); got != n.want {
			t.Broken("After %s came %d, which was called %v; expected %v.", numbered(before), n.seq, got, n.want)
		}
		before = append(before, n.seq)
	}
	return w
}

// numbered is some numbers in a sentence: the last ones, if there are many.
func numbered(all []uint32) string {
	const most = 8
	if len(all) == 0 {
		return "nothing"
	}
	text := list(all[max(0, len(all)-most):])
	if len(all) > most {
		return "… " + text
	}
	return text
}

// counts compares a Window's counts with what they must be.
func counts(t *labtest.T, w *heartbeat.Window, after string, want heartbeat.Stats) {
	t.Helper()
	if got := w.Stats(); got != want {
		t.Broken("After %s the counts say: %s. Expected: %s.", after, counted(got), counted(want))
	}
}

func counted(s heartbeat.Stats) string {
	return fmt.Sprintf("of %d numbers %d came (%d lost), late %d, duplicates %d, stale %d", s.Expected, s.Received, s.Lost(), s.Late, s.Duplicates, s.Stale)
}

func TestNumberIsFreshOnce(tt *testing.T) {
	t := labtest.Begin(tt)
	w := accepts(t, number{5, fresh}, number{6, fresh}, number{6, duplicate}, number{5, duplicate}, number{7, fresh}, number{6, duplicate}, number{7, duplicate})
	counts(t, w, "5, 6, 6, 5, 7, 6, 7", heartbeat.Stats{Expected: 3, Received: 3, Duplicates: 4})
	accepts(t, number{0, fresh}, number{0, duplicate})
	accepts(t, number{math.MaxUint32, fresh}, number{math.MaxUint32, duplicate})
}

func TestGapIsLost(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(3)
	w := accepts(t, number{10, fresh}, number{13, fresh})
	counts(t, w, "10, 13", heartbeat.Stats{Expected: 4, Received: 2})
	w = accepts(t, number{10, fresh}, number{1010, fresh}, number{1011, fresh}, number{1010, duplicate})
	counts(t, w, "10, 1010, 1011, 1010", heartbeat.Stats{Expected: 1002, Received: 3, Duplicates: 1})
	if got := w.Stats().Loss(); math.Abs(got-999.0/1002) > 1e-9 {
		t.Broken("Of 1002 numbers 3 came, which makes a loss of %v; expected %v.", got, 999.0/1002)
	}
}

func TestLateIsNotLost(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(3)
	w := accepts(t, number{10, fresh}, number{14, fresh}, number{12, late}, number{11, late}, number{13, late}, number{12, duplicate})
	counts(t, w, "10, 14, 12, 11, 13, 12", heartbeat.Stats{Expected: 5, Received: 5, Late: 3, Duplicates: 1})
	// Also what was overtaken by the very first.
	w = accepts(t, number{10, fresh}, number{8, late}, number{9, late}, number{8, duplicate})
	counts(t, w, "10, 8, 9, 8", heartbeat.Stats{Expected: 3, Received: 3, Late: 2, Duplicates: 1})
}

func TestOldNumberIsNeverFresh(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(3)
	w := accepts(t, number{1000, fresh}, number{1100, fresh},
		number{1100 - heartbeat.WindowSize, stale}, number{1000, stale}, number{3, stale}, number{1100 + (1 << 31), stale},
		number{1100 - heartbeat.WindowSize + 1, late}, number{1100 - heartbeat.WindowSize + 1, duplicate})
	counts(t, w, "1000, 1100, and some that are old", heartbeat.Stats{Expected: 101, Received: 3, Late: 1, Duplicates: 1, Stale: 4})
}

func TestWindowTakesNoMemory(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(3)
	w := new(heartbeat.Window)
	before := heapInUse()
	for seq := range uint32(300_000) { // eight hours of beats
		w.Accept(seq)
	}
	if grown := int64(heapInUse()) - int64(before); grown > 2<<20 {
		t.Broken("A window to which 300000 numbers came has taken %d KiB of memory; expected next to none: it need not know more than the last %d.", grown>>10, heartbeat.WindowSize)
	}
	runtime.KeepAlive(w)
}

func TestNumbersBeginAgain(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(3)
	const end = math.MaxUint32
	w := accepts(t, number{end - 1, fresh}, number{0, fresh}, number{end, late}, number{2, fresh}, number{end - 1, duplicate}, number{1, late}, number{0, duplicate})
	counts(t, w, "4294967294, 0, 4294967295, 2, 4294967294, 1, 0", heartbeat.Stats{Expected: 5, Received: 5, Late: 2, Duplicates: 2})
	w = accepts(t, number{0, fresh}, number{1<<31 - 1, fresh}, number{1<<32 - 2, fresh}, number{1, fresh})
	counts(t, w, "leaps to 2147483647, 4294967294, 1", heartbeat.Stats{Expected: 1<<32 + 2, Received: 4})
}

func TestCountsAddUp(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(3)
	r := t.Rand()
	for range 20 {
		w := new(heartbeat.Window)
		first := r.Uint32()
		came := map[uint32]bool{} // by how far after the first
		highest := uint32(0)
		var want heartbeat.Stats
		for step := range 5000 {
			n := highest // the next to come is here or there near the highest
			if step > 0 {
				n = highest + uint32(r.IntN(4))
				if r.IntN(3) == 0 {
					n = highest - uint32(r.IntN(90))
				}
			}
			if n > highest+100 { // before the first
				continue
			}
			verdict := stale
			switch {
			case len(came) == 0 || n > highest:
				verdict, highest = fresh, n
			case highest-n >= heartbeat.WindowSize:
				want.Stale++
			case came[n]:
				verdict = duplicate
				want.Duplicates++
			default:
				verdict = late
				want.Late++
			}
			if verdict == fresh || verdict == late {
				came[n] = true
				want.Received++
			}
			want.Expected = uint64(highest) + 1
			if got := w.Accept(first + n); got != verdict {
				t.Broken("In random traffic, the highest number so far being %d, %d came, which was called %v; expected %v.", first+highest, first+n, got, verdict)
			}
		}
		counts(t, w, "random traffic", want)
	}
}

// received feeds datagrams to Receive and returns what it handled and what it
// returned. After them the conn is closed, unless it ends in another way.
func received(t *labtest.T, conn *feed) (got []heartbeat.Arrival, ended error) {
	t.Helper()
	if conn.last == nil {
		conn.last = net.ErrClosed
	}
	t.FakeTime(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		ended = heartbeat.Receive(ctx, conn, heartbeat.NewCodec(key), func(a heartbeat.Arrival) { got = append(got, a) })
	})
	return got, ended
}

func TestEveryDatagramIsHandled(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 3)
	bob := netip.MustParseAddrPort("[2001:db8::1]:7")
	got, _ := received(t, &feed{items: []item{
		{b: beat("alice", 1, 1)},
		{b: []byte("junk of somebody")},
		{b: raw(otherKey, heartbeat.Beat, 1, 9, 0, "alice")},
		{b: beat("bob", 1, 2), from: bob},
	}})
	if len(got) != 4 {
		t.Broken("Of 4 datagrams, the second one junk, the third forged, %d were handled.", len(got))
	}
	for i, want := range []error{nil, heartbeat.ErrForeign, heartbeat.ErrMAC, nil} {
		if !errors.Is(got[i].Err, want) {
			t.Broken("Datagram %d of 4 was handled with the error %v; expected %v.", i+1, got[i].Err, want)
		}
	}
	if a, b := got[0], got[3]; a.Packet.Name != named("alice") || b.Packet.Name != named("bob") || a.From != stranger || b.From != bob {
		t.Broken("A beat of alice from %v and one of bob from %v were handled as %v from %v and %v from %v.", stranger, bob, a.Packet, a.From, b.Packet, b.From)
	}
}

func TestEmptyDatagramIsNotTheEnd(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 3)
	got, ended := received(t, &feed{items: []item{{b: nil}, {b: beat("alice", 1, 1)}}})
	if len(got) != 2 || !errors.Is(got[0].Err, heartbeat.ErrLength) || got[1].Err != nil {
		t.Broken("An empty datagram came, then a beat. Receive handled %d datagrams and returned %v; expected 2, the first with ErrLength.", len(got), ended)
	}
}

func TestLongDatagramIsNotCutToFit(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 3)
	longest := beat(strings.Repeat("n", heartbeat.MaxName), 1, 1)
	got, ended := received(t, &feed{items: []item{{b: append(bytes.Clone(longest), "and more"...)}, {b: longest}}})
	if len(got) != 2 {
		t.Broken("Two datagrams came, the first longer than any packet. Receive handled %d and returned %v.", len(got), ended)
	}
	if !errors.Is(got[0].Err, heartbeat.ErrLength) {
		t.Broken("A datagram came whose first %d bytes are a packet, and 8 bytes follow. It was handled with the error %v; expected ErrLength.", len(longest), got[0].Err)
	}
	if got[1].Err != nil {
		t.Broken("A packet of %d bytes, the longest there is, was handled with the error %v.", len(longest), got[1].Err)
	}
}

func TestReceiverSurvivesErrorsOfADatagram(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 3)
	for _, failure := range []syscall.Errno{syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EMSGSIZE} {
		wrapped := &net.OpError{Op: "read", Net: "udp", Err: os.NewSyscallError("recvfrom", failure)}
		got, ended := received(t, &feed{items: []item{{err: wrapped}, {b: beat("alice", 1, 1)}}})
		if len(got) != 1 || got[0].Err != nil {
			t.Broken("A read failed with %q, which says something about one datagram. Then a beat came, and Receive handled %d datagrams and returned %v; expected the beat.", failure, len(got), ended)
		}
	}
}

func TestReceiverEndsWithItsSocket(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 3)
	for _, failure := range []error{net.ErrClosed, errBroken} {
		got, ended := received(t, &feed{items: []item{{b: beat("alice", 1, 1)}}, last: &net.OpError{Op: "read", Net: "udp", Err: failure}})
		if len(got) != 1 || !errors.Is(ended, failure) {
			t.Broken("A beat came, and then every read failed with %q. Receive handled %d datagrams and returned %v; expected 1, and that error.", failure, len(got), ended)
		}
	}
}

func TestReceiverStopsWithItsContext(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 3)
	t.NoLeaks()
	var ended error
	var took time.Duration
	n := network(t)
	again := false
	t.FakeTime(func() {
		defer n.Close()
		conn := n.Listen("monitor")
		ctx, cancel := context.WithCancel(context.Background())
		ran := make(chan error, 1)
		go func() {
			ran <- heartbeat.Receive(ctx, conn, heartbeat.NewCodec(key), func(heartbeat.Arrival) {})
		}()
		time.Sleep(time.Minute)
		cancel()
		began := time.Now()
		ended = <-ran
		took = time.Since(began)
		// conn was left open: somebody else may go on with it.
		conn.SetReadDeadline(time.Time{})
		n.Listen("alice").WriteToUDPAddrPort([]byte("hello"), conn.AddrPort())
		_, err := conn.Read(make([]byte, 10))
		again = err == nil
	})
	if !errors.Is(ended, context.Canceled) || took > 0 {
		t.Broken("Receive was waiting for a datagram when its context ended, and %v later returned %v; expected %v, at once.", took, ended, context.Canceled)
	}
	if !again {
		t.Broken("Receive has closed the conn, which is not its own.")
	}
	// A flood does not keep it.
	conn := &feed{items: []item{{b: beat("alice", 1, 1)}}, again: math.MaxInt}
	ctx, cancel := context.WithCancel(context.Background())
	t.Returns("Receive, in a flood of datagrams, after its context has ended,", func() {
		handled := 0
		heartbeat.Receive(ctx, conn, heartbeat.NewCodec(key), func(heartbeat.Arrival) {
			if handled++; handled == 10 {
				cancel()
			}
		})
	})
	cancel()
}

func TestAddressIsTheSameInBothWritings(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 3)
	got, _ := received(t, &feed{items: []item{{b: beat("alice", 1, 1), from: netip.MustParseAddrPort("[::ffff:127.0.0.1]:5")}}})
	if want := netip.MustParseAddrPort("127.0.0.1:5"); len(got) == 1 && got[0].From != want {
		t.Broken("A socket for both families gave the sender's address as [::ffff:127.0.0.1]:5, and it was handled as from %v; expected %v.", got[0].From, want)
	} else if len(got) != 1 {
		t.Broken("One datagram came, and Receive handled %d.", len(got))
	}
}

func TestReceivingTakesNoMemory(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 3)
	const many = 4000
	conn := &feed{items: []item{{b: beat("alice", 1, 1)}}, again: many, last: net.ErrClosed}
	handled := 0
	codec := heartbeat.NewCodec(key)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	t.Returns("Receive, on a socket that is closed in the end,", func() {
		heartbeat.Receive(context.Background(), conn, codec, func(heartbeat.Arrival) { handled++ })
	})
	runtime.ReadMemStats(&after)
	if each := float64(after.Mallocs-before.Mallocs) / many; each > 0.05 {
		t.Broken("Receiving took memory %.2f times a datagram; expected none.", each)
	}
	if handled < many {
		t.Broken("Of %d datagrams %d were handled.", many+1, handled)
	}
}

func TestReceiverReadsARealSocket(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 3)
	t.NoLeaks()
	conn := udp(t)
	alice := dialUDP(t, addrOf(conn))
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	got := make(chan heartbeat.Arrival, 10)
	ran := make(chan error, 1)
	go func() {
		ran <- heartbeat.Receive(ctx, conn, heartbeat.NewCodec(key), func(a heartbeat.Arrival) { got <- a })
	}()
	for _, b := range [][]byte{beat("alice", 1, 1), nil, make([]byte, 9000), beat("alice", 1, 2)} {
		alice.Write(b)
	}
	var seqs []uint32
	t.Returns("Handling 4 datagrams that came over a real socket, an empty and a very long one among them,", func() {
		for range 4 {
			if a := <-got; a.Err == nil && a.From == addrOf(alice) {
				seqs = append(seqs, a.Packet.Seq)
			}
		}
	})
	if len(seqs) != 2 || seqs[0] != 1 || seqs[1] != 2 {
		t.Broken("Over a real socket came beat 1, an empty datagram, a very long one, and beat 2. The beats that were handled: %s; expected 1, 2.", list(seqs))
	}
	cancel()
	t.Returns("Receive, when its context ended while it read a real socket,", func() {
		if err := <-ran; !errors.Is(err, context.Canceled) {
			t.Errorf("Receive returned %v; expected %v.", err, context.Canceled)
		}
	})
}
