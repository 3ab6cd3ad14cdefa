package udpheartbeat_test

import (
	"net/netip"
	"runtime"
	"testing"
	"time"

	heartbeat "workbook.example/labs/04-udp-heartbeat"
	"workbook.example/tools/labtest"
)

func TestFirstTimeoutIsASecond(tt *testing.T) {
	t := labtest.Begin(tt)
	var e heartbeat.Estimator
	if e.RTT() != 0 || e.RTO() != time.Second {
		t.Broken("An estimator that knows nothing has RTT %v, RTO %v; expected 0 and 1s.", e.RTT(), e.RTO())
	}
}

func TestEstimatorFollowsTheRFC(tt *testing.T) {
	t := labtest.Begin(tt)
	e := heartbeat.Estimator{Min: time.Nanosecond, Max: time.Hour}
	// By RFC 6298, section 2, by hand.
	for i, step := range []struct{ sample, rtt, rto time.Duration }{
		{80 * time.Millisecond, 80 * time.Millisecond, 240 * time.Millisecond},        // var 40
		{80 * time.Millisecond, 80 * time.Millisecond, 200 * time.Millisecond},        // var 30
		{160 * time.Millisecond, 90 * time.Millisecond, 260 * time.Millisecond},       // var 42.5
		{10 * time.Millisecond, 80 * time.Millisecond, 287500 * time.Microsecond},     // var 51.875
		{80 * time.Millisecond, 80 * time.Millisecond, 235625 * time.Microsecond},     // var 38.90625
		{400 * time.Millisecond, 120 * time.Millisecond, 556718750 * time.Nanosecond}, // var 109.1796875
	} {
		e.Sample(step.sample)
		if rtt, rto := e.RTT(), e.RTO(); (rtt-step.rtt).Abs() > 10*time.Microsecond || (rto-step.rto).Abs() > 20*time.Microsecond {
			t.Broken("After sample %d (%v) the estimator has RTT %v, RTO %v; expected %v and %v.", i+1, step.sample, rtt, rto, step.rtt, step.rto)
		}
	}
	// A time that never changes still leaves a millisecond for the clock.
	e = heartbeat.Estimator{Min: time.Nanosecond}
	for range 200 {
		e.Sample(50 * time.Millisecond)
	}
	if rto := e.RTO(); rto < 51*time.Millisecond || rto > 52*time.Millisecond {
		t.Broken("Two hundred answers took 50 ms each, and RTO is %v; expected 51ms.", rto)
	}
}

func TestTimeoutHasBounds(tt *testing.T) {
	t := labtest.Begin(tt)
	var e heartbeat.Estimator
	e.Sample(time.Millisecond)
	if e.RTO() != heartbeat.DefaultMin {
		t.Broken("An answer took 1 ms, and RTO is %v; expected %v, the least.", e.RTO(), heartbeat.DefaultMin)
	}
	e = heartbeat.Estimator{Min: 5 * time.Millisecond, Max: 20 * time.Millisecond}
	if e.RTO() != 20*time.Millisecond {
		t.Broken("Where 20 ms is the most, RTO is %v before anything is known; expected 20ms.", e.RTO())
	}
	e.Sample(100 * time.Microsecond)
	if e.RTO() != 5*time.Millisecond {
		t.Broken("An answer took 100 µs where 5 ms is the least, and RTO is %v; expected 5ms.", e.RTO())
	}
	e.Sample(time.Second)
	if e.RTO() != 20*time.Millisecond {
		t.Broken("An answer took 1 s where 20 ms is the most, and RTO is %v; expected 20ms.", e.RTO())
	}
}

func TestBackoffDoubles(tt *testing.T) {
	t := labtest.Begin(tt)
	e := heartbeat.Estimator{Min: 100 * time.Millisecond, Max: time.Second}
	e.Sample(10 * time.Millisecond)
	for i, want := range []time.Duration{200 * time.Millisecond, 400 * time.Millisecond, 800 * time.Millisecond, time.Second, time.Second} {
		e.Backoff()
		if got := e.RTO(); got != want {
			t.Broken("RTO was 100ms, and then %d answers in a row did not come: it is %v; expected %v.", i+1, got, want)
		}
	}
	for range 100_000 { // an hour without a network
		e.Backoff()
	}
	if got := e.RTO(); got != time.Second {
		t.Broken("After 100000 answers that did not come RTO is %v; expected 1s, the most.", got)
	}
	e.Sample(10 * time.Millisecond)
	if got := e.RTO(); got != 100*time.Millisecond {
		t.Broken("After many answers that did not come one came, in 10 ms, and RTO is %v; expected 100ms, as before.", got)
	}
}

func TestAnswerIsMatchedByItsNumber(tt *testing.T) {
	t := labtest.Begin(tt)
	var p heartbeat.Pending
	now := time.Now()
	for seq := range uint32(5) {
		p.Sent(seq, now.Add(time.Duration(seq)*ms(100)))
	}
	// The answers overtake each other.
	for _, a := range []struct {
		seq uint32
		at  int
	}{{3, 390}, {1, 410}, {4, 420}} {
		want := ms(a.at) - time.Duration(a.seq)*ms(100)
		if rtt, ok := p.Answered(a.seq, now.Add(ms(a.at))); !ok || rtt != want {
			t.Broken("Number %d was sent at %d ms and answered at %d ms, which gave a time of %v (%s); expected %v.", a.seq, a.seq*100, a.at, rtt, sample(ok), want)
		}
	}
}

func sample(ok bool) string {
	if ok {
		return "a sample"
	}
	return "no sample"
}

func TestAnswerToWhatWasSentTwiceIsNoSample(tt *testing.T) {
	t := labtest.Begin(tt)
	var p heartbeat.Pending
	now := time.Now()
	p.Sent(7, now)
	p.Sent(7, now.Add(ms(300)))
	if rtt, ok := p.Answered(7, now.Add(ms(310))); ok {
		t.Broken("Number 7 was sent at 0 ms and again at 300 ms, and answered at 310 ms: that gave a sample of %v; expected none, for it may be the answer to either.", rtt)
	}
	p.Sent(8, now.Add(ms(400)))
	if rtt, ok := p.Answered(8, now.Add(ms(420))); !ok || rtt != ms(20) {
		t.Broken("After a number that was sent twice, number 8 was sent at 400 ms and answered at 420 ms: that gave %v (%s); expected 20ms.", rtt, sample(ok))
	}
}

func TestAnswerCountsOnce(tt *testing.T) {
	t := labtest.Begin(tt)
	var p heartbeat.Pending
	now := time.Now()
	p.Sent(7, now)
	if _, ok := p.Answered(7, now.Add(ms(20))); !ok {
		t.Broken("Number 7 was sent and answered, and that gave no sample.")
	}
	if rtt, ok := p.Answered(7, now.Add(ms(900))); ok {
		t.Broken("The answer to number 7 came at 20 ms, and a copy of it at 900 ms: that gave a second sample of %v; expected none.", rtt)
	}
}

func TestAnswerToNothingIsNoSample(tt *testing.T) {
	t := labtest.Begin(tt)
	var p heartbeat.Pending
	now := time.Now()
	for _, seq := range []uint32{0, 1, 64, 1 << 31} {
		if rtt, ok := p.Answered(seq, now); ok {
			t.Broken("Nothing was sent yet, and an answer to number %d gave a sample of %v; expected none.", seq, rtt)
		}
	}
	const many = 10 * heartbeat.PendingSize
	for seq := range uint32(many) {
		p.Sent(seq, now.Add(time.Duration(seq)*ms(100)))
	}
	for _, seq := range []uint32{many, many + heartbeat.PendingSize, 0, many - 1 - 2*heartbeat.PendingSize} {
		if rtt, ok := p.Answered(seq, now.Add(many*ms(100))); ok {
			t.Broken("Numbers 0 to %d were sent, and an answer to number %d gave a sample of %v; expected none: it was never sent, or too long ago.", many-1, seq, rtt)
		}
	}
	for _, seq := range []uint32{many - 1, many - heartbeat.PendingSize} {
		if _, ok := p.Answered(seq, now.Add(many*ms(100))); !ok {
			t.Broken("Numbers 0 to %d were sent, and an answer to number %d, one of the last %d, gave no sample.", many-1, seq, heartbeat.PendingSize)
		}
	}
}

func TestUnansweredTakesNoMemory(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(4)
	p := new(heartbeat.Pending)
	now := time.Now()
	before := heapInUse()
	for seq := range uint32(300_000) { // eight hours without an answer
		p.Sent(seq, now)
	}
	if grown := int64(heapInUse()) - int64(before); grown > 2<<20 {
		t.Broken("300000 beats, to which no answer came, took %d KiB of memory; expected no more than the last %d take.", grown>>10, heartbeat.PendingSize)
	}
	runtime.KeepAlive(p)
}

// answering runs a sender and a monitor that answers, on fake time, and returns
// the beats and what the sender knows at the end.
func answering(t *labtest.T, to, back time.Duration, answer func(s seen) []byte) (got []seen, rtt time.Duration, heard bool) {
	t.Helper()
	n := network(t)
	n.Path("alice", "monitor", labtest.Latency(to, to))
	n.Path("monitor", "alice", labtest.Latency(back, back))
	var r *recorder
	t.FakeTime(func() {
		defer n.Close()
		monitor := n.Listen("monitor")
		r = record(monitor, func(s seen, from netip.AddrPort) {
			monitor.WriteToUDPAddrPort(answer(s), from)
		})
		s := newSender("alice")
		stop := runs(s, n.Dial("alice", monitor.AddrPort()))
		time.Sleep(ms(2050))
		rtt, heard = s.RTT(), !s.Heard().IsZero()
		stop()
	})
	return r.seen(heartbeat.Beat), rtt, heard
}

func ack(s seen) []byte { return raw(key, heartbeat.Ack, s.incarnation, s.seq, 0, s.name) }

func TestBeatsCarryTheRoundTripTime(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("sender")
	t.Needs(1, 2)
	got, rtt, heard := answering(t, ms(20), ms(30), ack)
	if rtt != ms(50) {
		t.Broken("Beats are 20 ms on their way, answers 30 ms, and the sender's RTT is %v; expected 50ms.", rtt)
	}
	if !heard {
		t.Broken("Each beat was answered, and the sender says that it never heard of the monitor.")
	}
	if len(got) < 20 {
		t.Broken("In 2.05 s, with an interval of 100 ms, the sender beat %d times; expected 21.", len(got))
	}
	if got[0].rtt != 0 || got[len(got)-1].rtt != 50_000 {
		t.Broken("Beats are 20 ms on their way, answers 30 ms. The first of %d beats said an RTT of %d µs, the last %d µs; expected 0, for nothing was known yet, and 50000.", len(got), got[0].rtt, got[len(got)-1].rtt)
	}
}

func TestOnlyItsOwnAnswersCount(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("sender")
	t.Needs(1, 2)
	for what, answer := range map[string]func(seen) []byte{
		"with another key":        func(s seen) []byte { return raw(otherKey, heartbeat.Ack, s.incarnation, s.seq, 0, s.name) },
		"to somebody else":        func(s seen) []byte { return raw(key, heartbeat.Ack, s.incarnation, s.seq, 0, "bob") },
		"to another incarnation":  func(s seen) []byte { return raw(key, heartbeat.Ack, s.incarnation-1, s.seq, 0, s.name) },
		"that are beats":          func(s seen) []byte { return raw(key, heartbeat.Beat, s.incarnation, s.seq, 0, s.name) },
		"to beats yet to be sent": func(s seen) []byte { return raw(key, heartbeat.Ack, s.incarnation, s.seq+50, 0, s.name) },
	} {
		_, rtt, heard := answering(t, ms(1), ms(1), answer)
		if rtt != 0 {
			t.Broken("All answers that came were answers %s, and the sender has an RTT of %v; expected none.", what, rtt)
		}
		if heard && what != "to beats yet to be sent" {
			t.Broken("All answers that came were answers %s, and the sender says that it heard of its monitor.", what)
		}
	}
}

func TestAnswerMayComeBeforeWriteReturns(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("sender")
	t.Needs(1, 2)
	n := network(t)
	var rtt time.Duration
	t.FakeTime(func() {
		defer n.Close()
		monitor := n.Listen("monitor")
		record(monitor, func(s seen, from netip.AddrPort) { monitor.WriteToUDPAddrPort(ack(s), from) })
		s := newSender("alice")
		stop := runs(s, slowWriter{n.Dial("alice", monitor.AddrPort())})
		time.Sleep(ms(950))
		rtt = s.RTT()
		stop()
	})
	if rtt <= 0 {
		t.Broken("Every answer came while Write had not returned yet, and the sender has an RTT of %v; expected one.", rtt)
	}
}

// A slowWriter returns from Write a while after the datagram is gone.
type slowWriter struct{ *labtest.PacketEnd }

func (w slowWriter) Write(b []byte) (int, error) {
	time.Sleep(ms(1))
	n, err := w.PacketEnd.Write(b)
	time.Sleep(ms(20))
	return n, err
}

func TestRoundTripOverARealSocket(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("sender")
	t.Needs(1, 2)
	t.NoLeaks()
	monitor := udp(t)
	go func() {
		buf := make([]byte, 2048)
		for {
			n, from, err := monitor.ReadFromUDPAddrPort(buf)
			if err != nil {
				return
			}
			if s, ok := read(buf[:n]); ok {
				monitor.WriteToUDPAddrPort(ack(s), from)
			}
		}
	}()
	s := newSender("alice")
	s.Interval = ms(5)
	began := time.Now()
	stop := runs(s, dialUDP(t, addrOf(monitor)))
	t.Eventually("That the sender knows its round-trip time over a real socket", func() bool { return s.RTT() > 0 })
	if took := time.Since(began); s.RTT() > took {
		t.Broken("The sender's RTT is %v, and it has been running for %v.", s.RTT(), took)
	}
	t.Returns("Run, after its context has ended,", func() { stop() })
	monitor.Close()
}
