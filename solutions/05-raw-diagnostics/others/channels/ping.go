package rawdiag

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"math"
	"net/netip"
	"slices"
	"time"
)

// PingOptions say how to ping.
type PingOptions struct {
	Count    int           // how many requests; 0 is until the context ends
	Interval time.Duration // from one request to the next; 0 is as soon as the last one is answered or given up
	Timeout  time.Duration // how long a reply may take; 0 is a second
	Size     int           // bytes of data in a request
	TTL      int           // of the requests; 0 is the kernel's own choice

	// Each is called for everything that came back for a request of this ping,
	// and for every request that was given up; nil is nobody.
	Each func(Reply)
}

// Outcome is what a Reply tells.
type Outcome int

// The outcomes.
const (
	Answered  Outcome = iota // the first reply, in time
	Duplicate                // another reply
	Late                     // the first reply, to a request that was Lost
	Lost                     // no reply in time
	Refused                  // a router or host said why not: see Message
)

// A Reply is what became of a request.
type Reply struct {
	Outcome Outcome
	Seq     int           // the request's number, from 0 on: it does not begin again after 65535
	From    netip.Addr    // who said so; not of Lost
	TTL     int           // that it came with
	RTT     time.Duration // until the kernel had it
	Message Message       // Refused: what was said; valid until Each returns
}

// PingStats is what a ping came to. Requests that were still waiting when the
// context ended are Sent and nothing else.
type PingStats struct {
	Sent       int
	Answered   int // in time, each request once
	Lost       int // no reply in time
	Refused    int // a router or host said why not, before there was a reply
	Duplicates int // replies to what was answered already
	Late       int // replies to what was Lost; it stays so

	// Of the round-trip times of what was Answered. Mdev is their standard
	// deviation: the root of the mean of their squared distances from Avg.
	Min, Avg, Max, Mdev time.Duration
}

// Ping sends echo requests to dst over conn and reports what came back. Request
// number i leaves i intervals after the first one. Ping ends after Count requests,
// each of them answered or given up, or when ctx ends, which is no error; an error
// of the conn ends it as well. The conn belongs to Ping as long as it runs, and
// stays open.
//
// On the wire a request has the conn's ID and the lower 16 bits of its number. The
// reply brings both back, with the data; only what has all of it is a reply. A
// round-trip time ends with [Arrival.At].
func Ping(ctx context.Context, conn Conn, dst netip.Addr, o PingOptions) (stats PingStats, err error) {
	dst = dst.Unmap()
	protocol := ICMPFor(dst)
	if o.Timeout == 0 {
		o.Timeout = time.Second
	}
	data := make([]byte, o.Size)
	rand.Read(data)
	each := o.Each
	if each == nil {
		each = func(Reply) {}
	}

	in := receive(conn)
	defer in.stop()
	var rtts []time.Duration
	defer func() { stats.figures(rtts) }()

	type sent struct {
		number int
		at     time.Time
		over   bool // answered, lost or refused
		lost   bool
	}
	recent := make([]sent, 0, 64)    // in their order; the last 65536
	oldest := 0                      // the first of them that may still wait
	find := func(seq uint16) *sent { // the last one of that number
		if len(recent) == 0 {
			return nil
		}
		back := int(uint16(recent[len(recent)-1].number) - seq)
		if back >= len(recent) {
			return nil
		}
		return &recent[len(recent)-1-back]
	}
	waiting := func() *sent {
		for oldest < len(recent) && recent[oldest].over {
			oldest++
		}
		if oldest == len(recent) {
			return nil
		}
		return &recent[oldest]
	}
	lose := func(r *sent) {
		r.over, r.lost = true, true
		stats.Lost++
		each(Reply{Outcome: Lost, Seq: r.number})
	}

	next := time.Now()
	for {
		more := o.Count == 0 || stats.Sent < o.Count
		first := waiting()
		if !more && first == nil {
			return stats, nil
		}
		due := time.Duration(math.MaxInt64)
		if first != nil {
			due = time.Until(first.at.Add(o.Timeout))
		}
		sendNow := more && (o.Interval > 0 || first == nil)
		if sendNow {
			due = min(due, time.Until(next))
		}
		wake := time.NewTimer(due)
		select {
		case <-ctx.Done():
			wake.Stop()
			return stats, nil
		case err := <-in.failed:
			wake.Stop()
			return stats, err
		case a := <-in.came:
			wake.Stop()
			m, err := ParseMessage(protocol, a.Message)
			if err != nil {
				continue
			}
			id, seq := m.ID, m.Seq
			if m.Kind == TimeExceeded || m.Kind == Unreachable {
				q := m.Quote
				echo := byte(8)
				if protocol == ICMPv6 {
					echo = 128
				}
				if q.Dst != dst || q.Protocol != protocol || q.Payload[0] != echo {
					continue
				}
				id, seq = binary.BigEndian.Uint16(q.Payload[4:]), binary.BigEndian.Uint16(q.Payload[6:])
			} else if m.Kind != EchoReply || !bytes.Equal(m.Data, data) {
				continue
			}
			r := find(seq)
			if id != conn.ID() || r == nil {
				continue
			}
			reply := Reply{Seq: r.number, From: a.From, TTL: a.TTL, RTT: a.At.Sub(r.at)}
			if reply.RTT < 0 {
				reply.RTT = 0
			}
			if m.Kind != EchoReply {
				if !r.over {
					r.over = true
					stats.Refused++
					reply.Outcome, reply.Message = Refused, m
					each(reply)
				}
				continue
			}
			if !r.over && reply.RTT >= o.Timeout {
				lose(r)
			}
			switch {
			case !r.over:
				r.over = true
				stats.Answered++
				rtts = append(rtts, reply.RTT)
			case r.lost:
				r.lost = false
				stats.Late++
				reply.Outcome = Late
			default:
				stats.Duplicates++
				reply.Outcome = Duplicate
			}
			each(reply)
		case <-wake.C:
			now := time.Now()
			if first != nil && !now.Before(first.at.Add(o.Timeout)) {
				lose(first)
				continue
			}
			if !sendNow || now.Before(next) {
				continue
			}
			n := stats.Sent
			if err := conn.Send(Probe{Dst: dst, TTL: o.TTL, Protocol: protocol, Payload: AppendEcho(nil, protocol, conn.ID(), uint16(n), data)}); err != nil {
				return stats, err
			}
			if len(recent) == 1<<16 {
				recent = slices.Delete(recent, 0, 1<<12)
				oldest = max(0, oldest-1<<12)
			}
			recent = append(recent, sent{number: n, at: now})
			stats.Sent++
			for next = next.Add(o.Interval); o.Interval > 0 && next.Before(now); {
				next = next.Add(o.Interval)
			}
			if o.Interval == 0 {
				next = now
			}
		}
	}
}

// figures sums round-trip times up.
func (s *PingStats) figures(rtts []time.Duration) {
	if len(rtts) == 0 {
		return
	}
	s.Min, s.Max = slices.Min(rtts), slices.Max(rtts)
	var sum float64
	for _, r := range rtts {
		sum += float64(r)
	}
	mean := sum / float64(len(rtts))
	var squares float64
	for _, r := range rtts {
		squares += (float64(r) - mean) * (float64(r) - mean)
	}
	s.Avg, s.Mdev = time.Duration(mean), time.Duration(math.Sqrt(squares/float64(len(rtts))))
}

// An inbox has what a goroutine receives from a conn.
type inbox struct {
	came        chan Arrival
	failed      chan error // why no more will come
	conn        Conn
	quit, ended chan struct{}
}

func receive(conn Conn) *inbox {
	in := &inbox{came: make(chan Arrival), failed: make(chan error, 1), conn: conn, quit: make(chan struct{}), ended: make(chan struct{})}
	conn.SetReadDeadline(time.Time{})
	go func() {
		defer close(in.ended)
		for {
			a, err := conn.Receive()
			if err != nil {
				in.failed <- err
				return
			}
			a.Message = bytes.Clone(a.Message)
			select {
			case in.came <- a:
			case <-in.quit:
				return
			}
		}
	}()
	return in
}

// stop ends the goroutine, and leaves the conn without a deadline.
func (in *inbox) stop() {
	close(in.quit)
	in.conn.SetReadDeadline(time.Unix(1, 0))
	<-in.ended
	in.conn.SetReadDeadline(time.Time{})
}
