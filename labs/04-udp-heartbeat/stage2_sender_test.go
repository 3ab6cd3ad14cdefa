package udpheartbeat_test

import (
	"context"
	"errors"
	"net"
	"os"
	"slices"
	"syscall"
	"testing"
	"time"

	heartbeat "workbook.example/labs/04-udp-heartbeat"
	"workbook.example/tools/labtest"
)

// runs calls Run in a goroutine. What it returns ends it and waits for its end.
func runs(s *heartbeat.Sender, conn net.Conn) (stop func() error) {
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx, conn) }()
	return func() error {
		cancel()
		return <-ran
	}
}

// sent runs a sender for a while, on fake time, and returns what it sent.
func sent(t *labtest.T, s *heartbeat.Sender, d time.Duration, faults ...labtest.PacketFault) (all []seen, ended error) {
	t.Helper()
	n := network(t, faults...)
	var r *recorder
	t.FakeTime(func() {
		defer n.Close()
		monitor := n.Listen("monitor")
		r = record(monitor, nil)
		stop := runs(s, n.Dial("alice", monitor.AddrPort()))
		time.Sleep(d)
		ended = stop()
		time.Sleep(time.Second)
	})
	if r.junk > 0 {
		t.Broken("The sender sent %d datagrams that are no packets.", r.junk)
	}
	return r.all, ended
}

// beats are the beats among what was seen.
func beats(all []seen) (some []seen) {
	for _, s := range all {
		if s.typ == heartbeat.Beat {
			some = append(some, s)
		}
	}
	return some
}

func TestFirstBeatGoesAtOnce(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("sender")
	t.Needs(1)
	got, _ := sent(t, newSender("alice"), ms(50))
	if b := beats(got); len(b) != 1 || b[0].after != 0 {
		t.Broken("In the first 50 ms the sender beat %d times; expected one beat, at once.", len(b))
	}
}

func TestBeatsAreNumbered(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("sender")
	t.Needs(1, 2)
	got, _ := sent(t, newSender("alice"), ms(2050))
	if len(beats(got)) != 21 {
		t.Broken("In 2.05 s, with an interval of 100 ms, the sender beat %d times; expected 21.", len(beats(got)))
	}
	for i, b := range beats(got) {
		if b.seq != uint32(i) || b.name != "alice" || b.incarnation != 7 {
			t.Broken("Beat number %d said seq %d, incarnation %d, name %q; expected seq %d, incarnation 7, name \"alice\".", i, b.seq, b.incarnation, b.name, i)
		}
	}
}

func TestBeatsKeepTime(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("sender")
	t.Needs(1, 2)
	const beats = 1000
	var last time.Duration
	n := 0
	t.FakeTime(func() {
		began := time.Now()
		done := make(chan struct{})
		conn := newSink(func([]byte) error {
			if n++; n == beats {
				last = time.Since(began)
				close(done)
			}
			time.Sleep(ms(3)) // which a Write may take
			return nil
		})
		stop := runs(newSender("alice"), conn)
		select {
		case <-done:
		case <-time.After(time.Hour):
		}
		stop()
	})
	if want := (beats - 1) * ms(100); n < beats || last < want || last >= want+ms(100) {
		t.Broken("Each Write took 3 ms. Beat number %d, with an interval of 100 ms, was sent %v after the first; expected %v.", beats, last, want)
	}
}

func TestEveryBeatIsSentToWhomNobodyHears(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("sender")
	t.Needs(1, 2)
	// Each datagram finds nobody, and the next Write says so, instead of sending.
	var gone []uint32
	var ended error
	t.FakeTime(func() {
		refused := false
		conn := newSink(func(b []byte) error {
			if refused {
				refused = false
				return &net.OpError{Op: "write", Net: "udp", Err: os.NewSyscallError("write", syscall.ECONNREFUSED)}
			}
			refused = true
			if s, ok := read(b); ok && s.typ == heartbeat.Beat {
				gone = append(gone, s.seq)
			}
			return nil
		})
		stop := runs(newSender("alice"), conn)
		time.Sleep(ms(950))
		ended = stop()
	})
	if !errors.Is(ended, context.Canceled) {
		t.Broken("Nobody listened, which Write said with ECONNREFUSED, and Run returned %v; expected that it goes on.", ended)
	}
	if want := []uint32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}; !slices.Equal(gone, want) {
		t.Broken("For 950 ms nobody listened, and of the beats 0 to 9 the sender sent: %s; expected all. ECONNREFUSED from a Write tells of an earlier datagram; this one has not been sent.", list(gone))
	}
	// What is refused twice is lost, and the next beat has its turn.
	tries := make([]int, 10)
	t.FakeTime(func() {
		conn := newSink(func(b []byte) error {
			s, ok := read(b)
			if !ok || s.typ != heartbeat.Beat || s.seq >= uint32(len(tries)) {
				return nil
			}
			if tries[s.seq]++; tries[s.seq] > 2 {
				return nil // or whoever goes on for ever would do so here
			}
			return &net.OpError{Op: "write", Net: "udp", Err: os.NewSyscallError("write", syscall.ECONNREFUSED)}
		})
		stop := runs(newSender("alice"), conn)
		time.Sleep(ms(950))
		stop()
	})
	for seq, n := range tries {
		if n > 2 {
			t.Broken("Write said ECONNREFUSED for beat %d twice, and the sender tried a third time; expected that it tries twice, and goes on with beat %d in 100 ms.", seq, seq+1)
		}
		if n < 2 {
			t.Broken("Write said ECONNREFUSED for every beat, and in 950 ms beat %d was tried %d times; expected twice.", seq, n)
		}
	}
	n := network(t)
	var r *recorder
	t.FakeTime(func() {
		defer n.Close()
		stop := runs(newSender("alice"), n.Dial("alice", n.Addr("monitor")))
		time.Sleep(ms(950))
		r = record(n.Listen("monitor"), nil) // now somebody hears
		time.Sleep(time.Second)
		stop()
	})
	if got := r.seen(heartbeat.Beat); len(got) != 10 {
		t.Broken("For 950 ms nobody listened, then for a second somebody did, and got %d beats; expected 10.", len(got))
	}
}

func TestErrorsOfWriteArePassedOver(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("sender")
	t.Needs(1, 2)
	for _, failure := range []error{syscall.ENOBUFS, syscall.EHOSTUNREACH, syscall.ENETUNREACH, errBroken} {
		var got, intervals []uint32
		var ended error
		t.FakeTime(func() {
			n, began := 0, time.Now()
			conn := newSink(func(b []byte) error {
				if n++; n%3 != 0 {
					return &net.OpError{Op: "write", Net: "udp", Err: failure}
				}
				if s, ok := read(b); ok && s.typ == heartbeat.Beat {
					got = append(got, s.seq)
					intervals = append(intervals, uint32(time.Since(began)/ms(100)))
				}
				return nil
			})
			stop := runs(newSender("alice"), conn)
			time.Sleep(ms(1550))
			ended = stop()
		})
		if !errors.Is(ended, context.Canceled) || len(got) < 5 {
			t.Broken("Two of three Writes failed (%v). Of 16 beats in 1.55 s %d were written, and Run returned %v; expected 5 or more, and %v at the end.", failure, len(got), ended, context.Canceled)
		}
		if !slices.Equal(got, intervals) {
			t.Broken("Two of three Writes failed (%v), and the beats in between had the numbers %s; expected those of the intervals in which they were sent: %s.", failure, list(got), list(intervals))
		}
	}
}

func TestClosedSocketEndsTheSender(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("sender")
	t.Needs(1, 2)
	var ended error
	var took time.Duration
	n := network(t)
	t.FakeTime(func() {
		defer n.Close()
		conn := n.Dial("alice", n.Listen("monitor").AddrPort())
		ran := make(chan error, 1)
		ctx, cancel := context.WithCancel(context.Background())
		go func() { ran <- newSender("alice").Run(ctx, conn) }()
		time.Sleep(ms(250))
		conn.Close()
		began := time.Now()
		select {
		case ended = <-ran:
		case <-time.After(time.Minute):
			cancel()
			ended = <-ran
		}
		took = time.Since(began)
		cancel()
	})
	if !errors.Is(ended, net.ErrClosed) || took > ms(100) {
		t.Broken("Its socket was closed, and %v later Run returned %v; expected net.ErrClosed, at the next beat at the latest.", took, ended)
	}
}

func TestStopIsAtOnce(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("sender")
	t.Needs(1, 2)
	t.NoLeaks()
	var ended error
	var took time.Duration
	t.FakeTime(func() {
		s := newSender("alice")
		s.Interval = time.Hour
		conn := newSink(func([]byte) error { return nil })
		stop := runs(s, conn)
		time.Sleep(time.Minute)
		began := time.Now()
		ended = stop()
		took = time.Since(began)
	})
	if !errors.Is(ended, context.Canceled) || took > 0 {
		t.Broken("With an interval of an hour, Run was told to end after a minute, and %v later it returned %v; expected %v, at once.", took, ended, context.Canceled)
	}
}

func TestGoodbyeIsSaid(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("sender")
	t.Needs(1, 2)
	got, _ := sent(t, newSender("alice"), ms(250)) // three beats: 0, 1, 2
	var byes []uint32
	for _, s := range got {
		if s.typ == heartbeat.Bye {
			byes = append(byes, s.seq)
		}
	}
	if !slices.Equal(byes, []uint32{3, 3, 3}) {
		t.Broken("The sender beat 3 times (0, 1, 2) and was told to end. It sent goodbyes with the numbers: %s; expected 3, 3, 3.", list(byes))
	}
	if last := got[len(got)-1]; last.typ != heartbeat.Bye {
		t.Broken("After its goodbye the sender sent a %v.", last.typ)
	}
}

func TestStallIsNotMadeUpFor(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("sender")
	t.Needs(1, 2)
	type write struct {
		after time.Duration
		seq   uint32
	}
	var writes []write
	t.FakeTime(func() {
		began := time.Now()
		conn := newSink(func(b []byte) error {
			if s, ok := read(b); ok && s.typ == heartbeat.Beat {
				writes = append(writes, write{time.Since(began), s.seq})
				if s.seq == 2 {
					time.Sleep(ms(1050)) // until half past number 12
				}
			}
			return nil
		})
		stop := runs(newSender("alice"), conn)
		time.Sleep(ms(2050))
		stop()
	})
	in := map[int64]int{} // beats in each interval
	for _, w := range writes {
		interval := int64(w.after / ms(100))
		if in[interval]++; in[interval] > 1 {
			t.Broken("A Write took 1.05 s, and then the sender beat several times within one interval, %v after the start; expected that the beats that were missed are left out.", w.after)
		}
	}
	for _, w := range writes {
		interval := int64(w.after / ms(100))
		if int64(w.seq) != interval {
			t.Broken("A Write of beat 2 took 1.05 s, and %v after the start, in interval %d, the sender sent beat %d; expected the number of the interval, so that the beats before it count as lost.", w.after, interval, w.seq)
		}
	}
	if len(writes) < 10 {
		t.Broken("A Write took 1.05 s, and in 2.05 s the sender beat %d times; expected 10 or 11.", len(writes))
	}
}

func TestBeatsAreSpread(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("sender")
	t.Needs(1, 2)
	s := newSender("alice")
	s.Jitter = 0.5
	got, _ := sent(t, s, ms(60_000))
	if len(beats(got)) < 590 || len(beats(got)) > 601 {
		t.Broken("With jitter the sender beat %d times in a minute; expected 600, less the last few.", len(beats(got)))
	}
	var least, most, sum time.Duration = time.Hour, 0, 0
	for _, b := range beats(got) {
		late := b.after - time.Duration(b.seq)*ms(100)
		least, most, sum = min(least, late), max(most, late), sum+late
		if late < 0 || late > ms(50) {
			t.Broken("With a jitter of 0.5 beat %d was sent %v after the first was due; expected %v to %v.", b.seq, b.after, time.Duration(b.seq)*ms(100), time.Duration(b.seq)*ms(100)+ms(50))
		}
	}
	if least > ms(5) || most < ms(45) || sum/time.Duration(len(beats(got))) < ms(20) || sum/time.Duration(len(beats(got))) > ms(30) {
		t.Broken("With a jitter of 0.5, beats came %v to %v after they were due; expected them spread over 0 to 50 ms.", least.Round(time.Millisecond), most.Round(time.Millisecond))
	}
}

func TestSenderBeatsOverARealSocket(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("sender")
	t.Needs(1, 2)
	t.NoLeaks()
	monitor := udp(t)
	addr := addrOf(monitor)
	conn := dialUDP(t, addr)
	s := newSender("alice")
	s.Interval = ms(5)
	stop := runs(s, conn)
	next := func(monitor *net.UDPConn) seen {
		t.Helper()
		buf := make([]byte, 2048)
		monitor.SetReadDeadline(time.Now().Add(labtest.Patience))
		n, err := monitor.Read(buf)
		if err != nil {
			t.Broken("No beat came over a real socket within 2 s.")
		}
		got, ok := read(buf[:n])
		if !ok {
			t.Broken("What came over a real socket, %s, is no packet.", describe(buf[:n]))
		}
		return got
	}
	first := next(monitor)
	next(monitor)
	monitor.Close()
	// Now the sender's datagrams are refused; it hears of that, and goes on.
	t.Eventually("That the sender goes on although nobody listens", func() bool {
		sent, _ := s.Sent()
		return sent > uint64(first.seq)+10
	})
	again, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(addr))
	if err != nil {
		t.Skipf("another program has taken the port meanwhile: %v", err)
	}
	defer again.Close()
	if got := next(again); got.seq <= first.seq {
		t.Broken("The monitor was restarted, and the next beat had the number %d; the first had %d.", got.seq, first.seq)
	}
	t.Returns("Run, after its context has ended,", func() {
		if err := stop(); !errors.Is(err, context.Canceled) {
			t.Errorf("Run returned %v; expected %v.", err, context.Canceled)
		}
	})
}
