package rawdiag

import (
	"context"
	"errors"
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
	return PingStats{}, errors.New("Ping: not implemented yet (labs/05-raw-diagnostics/README.md#4-ping)")
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
