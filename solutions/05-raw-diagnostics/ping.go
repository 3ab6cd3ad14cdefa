package rawdiag

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"math"
	"net/netip"
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
func Ping(ctx context.Context, conn Conn, dst netip.Addr, o PingOptions) (PingStats, error) {
	if o.Timeout == 0 {
		o.Timeout = time.Second
	}
	p := &pinger{conn: conn, dst: dst.Unmap(), protocol: ICMPFor(dst), o: o, requests: map[int]request{}}
	p.data = make([]byte, o.Size)
	rand.Read(p.data) // nobody else sends this
	in := arrivalsOf(ctx, conn)
	defer in.close()
	for next := time.Now(); ctx.Err() == nil; {
		now := time.Now()
		p.giveUp(now)
		if p.mayStillSend() && !now.Before(next) && (o.Interval > 0 || len(p.waiting) == 0) {
			if err := p.send(now); err != nil {
				return p.stats(), err
			}
			if next = next.Add(o.Interval); next.Before(now) {
				next = now // what was missed is missed
			}
			continue
		}
		if !p.mayStillSend() && len(p.waiting) == 0 {
			break
		}
		until := next
		if len(p.waiting) > 0 {
			end := p.requests[p.waiting[0]].sent.Add(o.Timeout)
			if o.Interval == 0 || !p.mayStillSend() || end.Before(next) {
				until = end
			}
		}
		a, ok, err := in.next(until)
		if err != nil {
			return p.stats(), err
		}
		if ok {
			p.arrived(a)
		}
	}
	return p.stats(), nil
}

type pinger struct {
	conn     Conn
	dst      netip.Addr
	protocol Protocol
	o        PingOptions
	data     []byte // of all requests
	message  []byte // for send

	requests map[int]request // the last 65536 by number
	waiting  []int           // the numbers of those that wait, in the order in which they left
	count    PingStats
	mean, m2 float64 // of the round-trip times, by Welford's method: nothing is squared that is large
}

type request struct {
	sent time.Time
	is   Outcome
	done bool // it does not wait
}

func (p *pinger) mayStillSend() bool { return p.o.Count == 0 || p.count.Sent < p.o.Count }

func (p *pinger) send(now time.Time) error {
	n := p.count.Sent
	p.message = AppendEcho(p.message[:0], p.protocol, p.conn.ID(), uint16(n), p.data)
	if err := p.conn.Send(Probe{Dst: p.dst, TTL: p.o.TTL, Protocol: p.protocol, Payload: p.message}); err != nil {
		return err
	}
	delete(p.requests, n-1<<16) // its number on the wire is this one's now
	p.requests[n] = request{sent: now}
	p.waiting = append(p.waiting, n)
	p.count.Sent++
	return nil
}

// giveUp ends the waiting for what has been sent too long ago.
func (p *pinger) giveUp(now time.Time) {
	for len(p.waiting) > 0 {
		n := p.waiting[0]
		r, known := p.requests[n]
		if known && !r.done {
			if now.Before(r.sent.Add(p.o.Timeout)) {
				return
			}
			p.settle(n, Lost)
			p.tell(Reply{Outcome: Lost, Seq: n})
		}
		p.waiting = p.waiting[1:]
	}
}

func (p *pinger) settle(n int, is Outcome) {
	r := p.requests[n]
	r.is, r.done = is, true
	p.requests[n] = r
	switch is {
	case Answered:
		p.count.Answered++
	case Lost:
		p.count.Lost++
	case Refused:
		p.count.Refused++
	case Late:
		p.count.Late++
	}
}

// arrived looks at a message, which may be anything, from anybody.
func (p *pinger) arrived(a Arrival) {
	m, err := ParseMessage(p.protocol, a.Message)
	if err != nil {
		return
	}
	id, seq := m.ID, m.Seq
	switch {
	case m.Kind == EchoReply && bytes.Equal(m.Data, p.data):
	case (m.Kind == Unreachable || m.Kind == TimeExceeded) && p.isOurs(m.Quote):
		id, seq = binary.BigEndian.Uint16(m.Quote.Payload[4:]), binary.BigEndian.Uint16(m.Quote.Payload[6:])
	default:
		return
	}
	// The last request that had this number on the wire.
	n := p.count.Sent - 1 - int(uint16(p.count.Sent-1)-seq)
	r, sent := p.requests[n]
	if id != p.conn.ID() || !sent {
		return
	}
	reply := Reply{Seq: n, From: a.From, TTL: a.TTL, RTT: max(0, a.At.Sub(r.sent))}
	switch {
	case m.Kind != EchoReply && r.done:
		return
	case m.Kind != EchoReply:
		reply.Outcome, reply.Message = Refused, m
		p.settle(n, Refused)
	case !r.done && reply.RTT < p.o.Timeout:
		p.settle(n, Answered)
		p.measured(reply.RTT)
	case !r.done: // the kernel had it too late, and giveUp has not seen it yet
		p.settle(n, Lost)
		p.tell(Reply{Outcome: Lost, Seq: n})
		fallthrough
	case r.is == Lost:
		reply.Outcome = Late
		p.settle(n, Late)
	default:
		reply.Outcome = Duplicate
		p.count.Duplicates++
	}
	p.tell(reply)
	if len(p.waiting) > 0 && p.waiting[0] == n {
		p.waiting = p.waiting[1:]
	}
}

// isOurs reports whether a quote is of an echo request to dst.
func (p *pinger) isOurs(q Quote) bool {
	request, _ := echoTypes(p.protocol)
	return q.Dst == p.dst && q.Protocol == p.protocol && q.Payload[0] == request
}

func (p *pinger) tell(r Reply) {
	if p.o.Each != nil {
		p.o.Each(r)
	}
}

func (p *pinger) measured(rtt time.Duration) {
	if p.count.Answered == 1 || rtt < p.count.Min {
		p.count.Min = rtt
	}
	p.count.Max = max(p.count.Max, rtt)
	off := float64(rtt) - p.mean
	p.mean += off / float64(p.count.Answered)
	p.m2 += off * (float64(rtt) - p.mean)
}

func (p *pinger) stats() PingStats {
	s := p.count
	if s.Answered > 0 {
		s.Avg = time.Duration(math.Round(p.mean))
		s.Mdev = time.Duration(math.Round(math.Sqrt(p.m2 / float64(s.Answered))))
	}
	return s
}
