package udpheartbeat

import (
	"errors"
	"net"
	"sync"
	"syscall"
	"time"
)

// Bounds of an Estimator. RFC 6298 asks for a least timeout of a second; its
// authors had clocks that ticked every half second.
const (
	FirstRTO   = time.Second // before anything is known
	DefaultMin = 200 * time.Millisecond
	DefaultMax = time.Minute

	granularity = time.Millisecond // G of RFC 6298
)

// An Estimator learns how long an answer takes, and how long to wait for one
// before it counts as lost (RFC 6298). Its zero value knows nothing yet.
type Estimator struct {
	Min, Max time.Duration // of RTO; 0 is DefaultMin, DefaultMax

	known        bool
	srtt, rttvar time.Duration
	backoff      uint // how often RTO has been doubled
}

// Sample takes a round-trip time into account:
//
//	the first:  SRTT = R, RTTVAR = R/2
//	a later:    RTTVAR = 3/4 RTTVAR + 1/4 |SRTT-R|, and then
//	            SRTT = 7/8 SRTT + 1/8 R
//
// It ends what Backoff has begun.
func (e *Estimator) Sample(r time.Duration) {
	if !e.known {
		e.known, e.srtt, e.rttvar = true, r, r/2
	} else {
		e.rttvar = (3*e.rttvar + (e.srtt - r).Abs()) / 4
		e.srtt = (7*e.srtt + r) / 8
	}
	e.backoff = 0
}

// RTT is the smoothed round-trip time; 0 before the first Sample.
func (e *Estimator) RTT() time.Duration { return e.srtt }

// RTO is how long to wait for an answer: SRTT + 4 RTTVAR, where 4 RTTVAR counts
// as at least a millisecond; FirstRTO before the first Sample. It is at least Min;
// that is doubled for each Backoff; and the result is at most Max.
func (e *Estimator) RTO() time.Duration {
	least, most := e.bounds()
	rto := FirstRTO
	if e.known {
		rto = e.srtt + max(4*e.rttvar, granularity)
	}
	rto = max(rto, least)
	for range e.backoff {
		if rto >= most {
			break
		}
		rto *= 2
	}
	return min(rto, most)
}

// Backoff says that no answer came within RTO: it doubles.
func (e *Estimator) Backoff() {
	e.backoff++
}

func (e *Estimator) bounds() (least, most time.Duration) {
	least, most = e.Min, e.Max
	if least == 0 {
		least = DefaultMin
	}
	if most == 0 {
		most = DefaultMax
	}
	return least, most
}

// PendingSize is how many datagrams a Pending remembers.
const PendingSize = 64

// Pending remembers when the last PendingSize datagrams were sent, so that an
// answer gives a round-trip time. Its zero value remembers nothing. It takes no
// memory, however many answers never come.
type Pending struct {
	sent [PendingSize]struct {
		seq   uint32
		at    time.Time
		state pendingState
	}
	next int // where the next one goes: they stand in the order of sending
}

type pendingState uint8

const (
	nothing   pendingState = iota
	waiting                // sent, not answered
	ambiguous              // sent more than once: an answer may be to either
	answered
)

// Sent says that the datagram seq is being sent. It is called before the
// datagram is given to the network: the answer may be here before Write returns.
func (p *Pending) Sent(seq uint32, at time.Time) {
	if i, ok := p.find(seq); ok {
		p.sent[i].state = ambiguous
		return
	}
	slot := &p.sent[p.next]
	slot.seq, slot.at, slot.state = seq, at, waiting
	p.next = (p.next + 1) % PendingSize
}

// find is the place of seq, if it is among those.
func (p *Pending) find(seq uint32) (int, bool) {
	for i := range p.sent {
		if p.sent[i].state != nothing && p.sent[i].seq == seq {
			return i, true
		}
	}
	return 0, false
}

// Answered is the round-trip time that an answer to the datagram seq gives. It
// gives none (ok is false) when that datagram was not sent or is not among the
// last PendingSize, when it has been answered before, and when it was sent more
// than once: nobody can tell which one the answer is to, and a guess is wrong
// just when the network is slow (Karn's algorithm, RFC 6298, section 3).
func (p *Pending) Answered(seq uint32, at time.Time) (rtt time.Duration, ok bool) {
	i, ok := p.find(seq)
	if !ok || p.sent[i].state != waiting {
		return 0, false
	}
	p.sent[i].state = answered
	return at.Sub(p.sent[i].at), true
}

// sending says that the datagram seq is being sent.
func (s *Sender) sending(seq uint32) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.pending.Sent(seq, time.Now())
}

// answer takes a packet that came from where conn is connected to. It counts
// only if it is an Ack of this sender's own, in this incarnation.
func (s *Sender) answer(p Packet, now time.Time) {
	if p.Type != Ack || p.Name != s.Name || p.Incarnation != s.Incarnation {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.heard = now
	if rtt, ok := s.pending.Answered(p.Seq, now); ok {
		s.rtt.Sample(rtt)
	}
}

// RTT is the smoothed round-trip time to the monitor, 0 as long as it never
// answered.
func (s *Sender) RTT() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.rtt.RTT()
}

// Heard is when the monitor last answered; zero if it never did.
func (s *Sender) Heard() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.heard
}

// An ear reads answers in a goroutine of its own.
type ear struct {
	conn    net.Conn
	reading sync.WaitGroup
}

// hear gives what comes over conn to answer, until the ear is stopped or conn is
// closed. That nobody listens (ECONNREFUSED) is no reason to stop: the monitor may
// be starting.
func (s *Sender) hear(conn net.Conn) *ear {
	e := &ear{conn: conn}
	e.reading.Go(func() {
		codec, buf := NewCodec(s.Key), make([]byte, MaxPacket+1)
		for {
			n, err := conn.Read(buf)
			if err != nil && !errors.Is(err, syscall.ECONNREFUSED) {
				return
			}
			if p, bad := codec.Decode(buf[:n]); err == nil && bad == nil {
				s.answer(p, time.Now())
			}
		}
	})
	return e
}

// stop ends the reading, and waits until it has.
func (e *ear) stop() {
	if err := e.conn.SetReadDeadline(time.Unix(1, 0)); err == nil || errors.Is(err, net.ErrClosed) {
		e.reading.Wait()
	}
	e.conn.SetReadDeadline(time.Time{})
}
