package rawdiag_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"testing"
	"time"

	rawdiag "workbook.example/labs/05-raw-diagnostics"
	"workbook.example/tools/labtest"
	"workbook.example/tools/netlab"
)

func ms(n int) time.Duration { return time.Duration(n) * time.Millisecond }

// after answers an echo request after some time, so many times.
func after(p netlab.Packet, d time.Duration, times ...time.Duration) []netlab.Reply {
	raw := netlab.EchoReply(p)
	replies := []netlab.Reply{{After: d, Raw: raw}}
	for _, more := range times {
		replies = append(replies, netlab.Reply{After: more, Raw: raw})
	}
	return replies
}

// number is the number that an echo request carries.
func number(p netlab.Packet) int { return int(p.Payload[6])<<8 | int(p.Payload[7]) }

// A pinged is what came of a ping on fake time.
type pinged struct {
	stats   rawdiag.PingStats
	err     error
	replies []rawdiag.Reply
	took    time.Duration
	left    []time.Duration // when each request did
	conn    *memory
}

var outcomes = map[rawdiag.Outcome]string{
	rawdiag.Answered: "answered", rawdiag.Duplicate: "duplicate", rawdiag.Late: "late", rawdiag.Lost: "lost", rawdiag.Refused: "refused",
}

// ping pings on fake time a host that a script plays.
func ping(t *labtest.T, o rawdiag.PingOptions, script func(p netlab.Packet) []netlab.Reply) (p pinged) {
	t.Helper()
	t.FakeTime(func() { p = pingNow(t, context.Background(), o, script) })
	return p
}

func pingNow(t *labtest.T, ctx context.Context, o rawdiag.PingOptions, script func(p netlab.Packet) []netlab.Reply) (p pinged) {
	t.Helper()
	began := time.Now()
	p.conn = remember("10.0.0.1", func(packet netlab.Packet) []netlab.Reply {
		p.left = append(p.left, time.Since(began))
		return script(packet)
	})
	each := o.Each
	o.Each = func(r rawdiag.Reply) {
		p.replies = append(p.replies, r)
		if each != nil {
			each(r)
		}
	}
	limit, cancel := context.WithTimeout(ctx, time.Hour)
	defer cancel()
	p.stats, p.err = rawdiag.Ping(limit, p.conn, netip.MustParseAddr("10.0.9.9"), o)
	p.took = time.Since(began)
	if p.took >= time.Hour {
		t.Broken("Ping had not ended after an hour.")
	}
	return p
}

// expectCounts compares the counts of a ping, and what Each was told, with what they
// must be.
func expectCounts(t *labtest.T, what string, p pinged, want rawdiag.PingStats) {
	t.Helper()
	if p.err != nil {
		t.Broken("%s. Ping returned %s.", what, orNone(p.err))
	}
	got := p.stats
	got.Min, got.Avg, got.Max, got.Mdev = 0, 0, 0, 0
	if got != want {
		t.Broken("%s. Ping counted %s; expected %s.", what, counts(got), counts(want))
	}
	told := map[rawdiag.Outcome]int{}
	for _, r := range p.replies {
		told[r.Outcome]++
	}
	for o, n := range map[rawdiag.Outcome]int{rawdiag.Answered: want.Answered, rawdiag.Duplicate: want.Duplicates, rawdiag.Late: want.Late, rawdiag.Lost: want.Lost, rawdiag.Refused: want.Refused} {
		if told[o] != n {
			t.Broken("%s. Each was told of %d times %q; expected %d.", what, told[o], outcomes[o], n)
		}
	}
}

func counts(s rawdiag.PingStats) string {
	return fmt.Sprintf("%d sent, %d answered, %d lost, %d refused, %d duplicates, %d late", s.Sent, s.Answered, s.Lost, s.Refused, s.Duplicates, s.Late)
}

func TestEveryReplyIsCounted(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	p := ping(t, rawdiag.PingOptions{Count: 5, Interval: ms(100), Size: 56}, func(p netlab.Packet) []netlab.Reply { return after(p, ms(20)) })
	expectCounts(t, "5 requests were sent, and each was answered after 20 ms", p, rawdiag.PingStats{Sent: 5, Answered: 5})
	for i, r := range p.replies {
		if r.Seq != i || r.RTT != ms(20) || r.From != netip.MustParseAddr("10.0.9.9") || r.TTL != 64 {
			t.Broken("Reply %d came from 10.0.9.9 with TTL 64 after 20 ms, and Each was told of reply %d from %v with TTL %d after %v.", i, r.Seq, r.From, r.TTL, r.RTT)
		}
	}
	for i, request := range p.conn.probes() {
		if n := len(request.Payload) - 8; n != 56 {
			t.Broken("56 bytes of data were asked for, and request %d has %d.", i, n)
		}
	}
}

func TestFiguresAreOfAllReplies(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	rtts := []int{10, 20, 60}
	p := ping(t, rawdiag.PingOptions{Count: 3, Interval: ms(100)}, func(p netlab.Packet) []netlab.Reply { return after(p, ms(rtts[number(p)])) })
	s := p.stats
	if s.Min != ms(10) || s.Avg != ms(30) || s.Max != ms(60) {
		t.Broken("Round trips of 10, 20 and 60 ms were summed up as min %v, avg %v, max %v; expected 10, 30 and 60 ms.", s.Min, s.Avg, s.Max)
	}
	if off := s.Mdev - 21602469*time.Nanosecond; off.Abs() > time.Microsecond {
		t.Broken("Round trips of 10, 20 and 60 ms have an mdev of %v; expected 21.602 ms, the root of the mean of 20², 10² and 30².", s.Mdev)
	}
	// Far from zero, the difference of two large squares is mostly rounding.
	p = ping(t, rawdiag.PingOptions{Count: 1000, Interval: ms(100), Timeout: 20 * time.Minute}, func(p netlab.Packet) []netlab.Reply {
		return after(p, 10*time.Minute+time.Duration(number(p)%2)*2*time.Microsecond)
	})
	if off := p.stats.Mdev - time.Microsecond; off.Abs() > 10*time.Nanosecond {
		t.Broken("1000 round trips, by turns of 10 minutes and of 2 µs more, have an mdev of %v; expected 1 µs.", p.stats.Mdev)
	}
}

func TestSilenceIsGivenUp(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	p := ping(t, rawdiag.PingOptions{Count: 4, Interval: ms(100), Timeout: ms(700)}, func(p netlab.Packet) []netlab.Reply {
		if number(p)%2 == 1 {
			return nil
		}
		return after(p, ms(20))
	})
	expectCounts(t, "Of 4 requests the second and the last were not answered", p, rawdiag.PingStats{Sent: 4, Answered: 2, Lost: 2})
	if p.took != ms(1000) {
		t.Broken("The last request left after 300 ms and was not answered; Ping, with a timeout of 700 ms, returned after %v; expected 1 s.", p.took)
	}
}

func TestDuplicateIsNoReply(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	p := ping(t, rawdiag.PingOptions{Count: 4, Interval: ms(100)}, func(p netlab.Packet) []netlab.Reply { return after(p, ms(20), ms(40), ms(60)) })
	expectCounts(t, "Each of 4 requests was answered three times, after 20, 40 and 60 ms", p, rawdiag.PingStats{Sent: 4, Answered: 4, Duplicates: p.stats.Duplicates})
	if d := p.stats.Duplicates; d < 6 || d > 8 { // those of the last one may come too late for Ping
		t.Broken("Each of 4 requests was answered three times, and Ping counted %d duplicates; expected 8, or 6 if it ended with the last first reply.", d)
	}
	if p.stats.Max != ms(20) {
		t.Broken("Each of 4 requests was answered after 20 ms, and twice again later; the longest round trip is %v. What a duplicate took is no round trip.", p.stats.Max)
	}
}

func TestLateReplyStaysLost(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	p := ping(t, rawdiag.PingOptions{Count: 10, Interval: ms(100), Timeout: ms(200)}, func(p netlab.Packet) []netlab.Reply {
		if number(p) == 2 {
			return after(p, ms(450))
		}
		return after(p, ms(20))
	})
	expectCounts(t, "Of 10 requests the third was answered after 450 ms, with a timeout of 200 ms", p, rawdiag.PingStats{Sent: 10, Answered: 9, Lost: 1, Late: 1})
	if p.stats.Max != ms(20) {
		t.Broken("9 round trips took 20 ms, and a reply came too late after 450 ms; the longest round trip is %v; expected 20 ms.", p.stats.Max)
	}
	for _, r := range p.replies {
		if r.Outcome == rawdiag.Late && (r.Seq != 2 || r.RTT != ms(450)) {
			t.Broken("Request 2 was answered after 450 ms, and Each was told of a late reply to request %d after %v.", r.Seq, r.RTT)
		}
	}
}

func TestOnlyItsReplyIsAReply(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	here, dst, stranger := netip.MustParseAddr("10.0.0.1"), netip.MustParseAddr("10.0.9.9"), netip.MustParseAddr("10.0.7.7")
	// rest is what follows the checksum of an echo message.
	rest := func(id, seq uint16, data []byte) []byte {
		return append([]byte{byte(id >> 8), byte(id), byte(seq >> 8), byte(seq)}, data...)
	}
	for _, c := range []struct {
		what string
		raw  func(p netlab.Packet) []byte
	}{
		{"somebody else's reply, with another identifier", func(p netlab.Packet) []byte {
			return netlab.BuildICMP(dst, here, 0, 0, rest(0xabcd, uint16(number(p)), p.Payload[8:]))
		}},
		{"a reply with a number that was not sent yet", func(p netlab.Packet) []byte {
			return netlab.BuildICMP(dst, here, 0, 0, rest(0xbeef, 999, p.Payload[8:]))
		}},
		{"a reply with its identifier and number, and other data", func(p netlab.Packet) []byte {
			return netlab.BuildICMP(stranger, here, 0, 0, rest(0xbeef, uint16(number(p)), []byte("01234567012345670123456701234567012345670123456701234567")))
		}},
		{"an echo request with its identifier, number and data", func(p netlab.Packet) []byte {
			return netlab.BuildICMP(stranger, here, 8, 0, p.Payload[4:])
		}},
		{"its reply with a bit turned over", func(p netlab.Packet) []byte {
			raw := netlab.EchoReply(p)
			raw[len(raw)-1] ^= 1
			return raw
		}},
		{"a time exceeded for somebody else's packet", func(p netlab.Packet) []byte {
			other, _ := netlab.ParsePacket(netlab.BuildICMP(here, stranger, 8, 0, p.Payload[4:]))
			return netlab.TimeExceeded(stranger, other, 0)
		}},
		{"a time exceeded for a UDP datagram to the same host", func(p netlab.Packet) []byte {
			other, _ := netlab.ParsePacket(netlab.Build(here, dst, netlab.UDP, 1, p.Payload))
			return netlab.TimeExceeded(stranger, other, 0)
		}},
	} {
		p := ping(t, rawdiag.PingOptions{Count: 3, Interval: ms(100), Size: 56}, func(p netlab.Packet) []netlab.Reply {
			return append(after(p, ms(20)), netlab.Reply{After: ms(5), Raw: c.raw(p)})
		})
		what := "Of 3 requests each was answered after 20 ms; 15 ms before that came " + c.what
		expectCounts(t, what, p, rawdiag.PingStats{Sent: 3, Answered: 3})
		if p.stats.Min != ms(20) {
			t.Broken("%s. The shortest round trip is %v; expected 20 ms.", what, p.stats.Min)
		}
	}
}

func TestNumbersBeginAgain(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	const count = 1<<16 + 4
	var p pinged
	t.FakeTime(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		o := rawdiag.PingOptions{Count: count, Each: func(r rawdiag.Reply) { p.replies = append(p.replies, r) }}
		conn := &echoes{memory: remember("10.0.0.1", nil), replies: make(chan rawdiag.Arrival, 1<<10)}
		p.stats, p.err = rawdiag.Ping(ctx, conn, netip.MustParseAddr("10.0.9.9"), o)
	})
	expectCounts(t, "65540 requests were sent, one after the other, and each was answered", p, rawdiag.PingStats{Sent: count, Answered: count})
	if last := p.replies[len(p.replies)-1]; last.Seq != count-1 {
		t.Broken("On the wire, the number after 65535 is 0. Each was told of the last of 65540 replies as number %d; expected 65539.", last.Seq)
	}
}

// An echoes is a memory that answers each echo request at once, and does nothing else: a
// hundred thousand of them cost little.
type echoes struct {
	*memory
	replies chan rawdiag.Arrival
}

func (e *echoes) Send(p rawdiag.Probe) error {
	reply := append([]byte(nil), p.Payload...)
	reply[0], reply[2], reply[3] = 0, 0, 0
	sum := plainSum(reply)
	reply[2], reply[3] = byte(sum>>8), byte(sum)
	e.replies <- rawdiag.Arrival{From: p.Dst, TTL: 64, At: time.Now().Round(0), Message: reply}
	return nil
}

func (e *echoes) Receive() (rawdiag.Arrival, error) {
	for {
		e.mu.Lock()
		changed, deadline := e.changed, e.deadline
		e.mu.Unlock()
		if !deadline.IsZero() && !time.Now().Before(deadline) {
			return rawdiag.Arrival{}, os.ErrDeadlineExceeded
		}
		select {
		case a := <-e.replies:
			return a, nil
		default:
		}
		var late <-chan time.Time
		if !deadline.IsZero() {
			late = time.After(time.Until(deadline))
		}
		select {
		case a := <-e.replies:
			return a, nil
		case <-changed:
		case <-late:
		}
	}
}

func TestRefusalIsTold(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	router := netip.MustParseAddr("10.0.1.1")
	p := ping(t, rawdiag.PingOptions{Count: 3, Interval: ms(100)}, func(p netlab.Packet) []netlab.Reply {
		return []netlab.Reply{{After: ms(10), Raw: netlab.Unreachable(router, p, 1, 0)}}
	})
	expectCounts(t, "A router said of each of 3 requests that the host cannot be reached", p, rawdiag.PingStats{Sent: 3, Refused: 3})
	for _, r := range p.replies {
		if r.From != router || r.Message.Kind != rawdiag.Unreachable || r.Message.Code != 1 {
			t.Broken("10.0.1.1 said that a host cannot be reached (code 1), and Each was told of %s from %v, code %d.", kindNames[r.Message.Kind], r.From, r.Message.Code)
		}
	}
	if p.took != ms(210) {
		t.Broken("The last of 3 requests was refused after 210 ms, and Ping returned after %v: who was told no need not wait.", p.took)
	}
	p = ping(t, rawdiag.PingOptions{Count: 2, Interval: ms(100), TTL: 1}, func(p netlab.Packet) []netlab.Reply {
		return []netlab.Reply{{After: ms(10), Raw: netlab.TimeExceeded(router, p, 0)}}
	})
	expectCounts(t, "A router said of each of 2 requests that its time to live had ended", p, rawdiag.PingStats{Sent: 2, Refused: 2})
}

func TestRequestsLeaveInTime(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	for _, rtt := range []int{20, 100, 730} {
		p := ping(t, rawdiag.PingOptions{Count: 10, Interval: ms(100)}, func(p netlab.Packet) []netlab.Reply { return after(p, ms(rtt)) })
		for i, at := range p.left {
			if at != ms(100*i) {
				t.Broken("With an interval of 100 ms and round trips of %d ms, request %d left after %v; expected %v: nobody waits for a reply.", rtt, i, at, ms(100*i))
			}
		}
	}
	p := ping(t, rawdiag.PingOptions{Count: 4, Timeout: ms(300)}, func(p netlab.Packet) []netlab.Reply {
		if number(p) == 1 {
			return nil
		}
		return after(p, ms(20))
	})
	for i, want := range []int{0, 20, 320, 340} {
		if i < len(p.left) && p.left[i] != ms(want) {
			t.Broken("Without an interval, round trips of 20 ms, and request 1 lost (the timeout is 300 ms), request %d left after %v; expected %v, as soon as the one before was answered or given up.", i, p.left[i], ms(want))
		}
	}
}

func TestRoundTripEndsInTheKernel(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	var p pinged
	t.FakeTime(func() {
		conn := remember("10.0.0.1", func(p netlab.Packet) []netlab.Reply { return after(p, ms(50)) })
		conn.lain = ms(30) // each lies in the socket for so long before this program comes to it
		p.stats, p.err = rawdiag.Ping(context.Background(), conn, netip.MustParseAddr("10.0.9.9"), rawdiag.PingOptions{Count: 3, Interval: ms(100)})
	})
	if p.stats.Answered != 3 || p.stats.Avg != ms(20) {
		t.Broken("3 replies were in the kernel after 20 ms, and could be received 30 ms later, when this program had time for them. Ping counted %s, with %v on average; expected 3 answered, and 20 ms.", counts(p.stats), p.stats.Avg)
	}
}

func TestPingEndsWithItsContext(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	var p pinged
	var receive error
	t.FakeTime(func() {
		ctx, cancel := context.WithTimeout(context.Background(), ms(1050))
		defer cancel()
		p = pingNow(t, ctx, rawdiag.PingOptions{Interval: ms(100), Timeout: time.Minute}, func(p netlab.Packet) []netlab.Reply {
			if number(p) < 8 {
				return after(p, ms(20))
			}
			return nil
		})
		// The conn must be as it was: without a deadline, and open.
		time.AfterFunc(time.Second, func() {
			p.conn.arrive(netlab.BuildICMP(netip.MustParseAddr("10.0.9.9"), p.conn.here, 0, 0, []byte{1, 2, 3, 4}))
		})
		_, receive = p.conn.Receive()
	})
	expectCounts(t, "The context ended after 1.05 s, when 11 requests had left and 8 were answered", p, rawdiag.PingStats{Sent: 11, Answered: 8})
	if p.took != ms(1050) {
		t.Broken("The context ended after 1.05 s, and Ping returned after %v.", p.took)
	}
	if receive != nil {
		t.Broken("After Ping had ended with its context, Receive on its conn gave %s; expected the next message: the conn stays open, and has no deadline.", orNone(receive))
	}
}

func TestErrorOfTheConnEndsPing(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	unreachable := errors.New("the network is unreachable")
	for _, c := range []struct {
		what string
		want error
		do   func(*memory)
	}{
		{"The conn was closed", net.ErrClosed, func(m *memory) { m.Close() }},
		{"Send failed", unreachable, func(m *memory) { m.change(func() { m.failed = unreachable }) }},
	} {
		var err error
		var took time.Duration
		t.FakeTime(func() {
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			began := time.Now()
			conn := remember("10.0.0.1", func(p netlab.Packet) []netlab.Reply { return after(p, ms(20)) })
			time.AfterFunc(ms(250), func() { c.do(conn) })
			_, err = rawdiag.Ping(ctx, conn, netip.MustParseAddr("10.0.9.9"), rawdiag.PingOptions{Interval: ms(100)})
			took = time.Since(began)
		})
		if !errors.Is(err, c.want) || took > ms(300) {
			t.Broken("%s after 250 ms, and Ping returned after %v with %s; expected that error, at once.", c.what, took, orNone(err))
		}
	}
}
