package rawdiag

import (
	"context"
	"errors"
	"math/rand/v2"
	"net/netip"
	"time"
)

// Method is what traceroute sends.
type Method int

// The methods.
const (
	UDPProbes  Method = iota // datagrams to a port that nobody listens on
	EchoProbes               // echo requests
)

// TraceOptions say how to trace.
type TraceOptions struct {
	Method   Method
	MaxHops  int           // 0 is 30
	Queries  int           // probes a hop; 0 is 3
	Timeout  time.Duration // how long an answer may take; 0 is a second
	Parallel int           // probes that may be on their way at once; 0 is 16
}

// A Hop is one router on the way, or the end of it.
type Hop struct {
	TTL     int
	Answers []Answer // one a probe, in the order in which they were sent
}

// An Answer is what became of a probe.
type Answer struct {
	From   netip.Addr // the zero Addr: nobody answered in time
	RTT    time.Duration
	Kind   Kind    // what was said: TimeExceeded, Unreachable, EchoReply
	Code   uint8   // of Unreachable
	Labels []Label // that the packet carried there
}

// Mark is what traceroute prints behind an answer: "" for what is no refusal, nor is the
// unreachable port at the end of the way (code 3, of ICMPv6 4); "!N" for an unreachable
// network (0, of ICMPv6 0), "!H" for a host (1, of ICMPv6 3), "!P" for a protocol (2, of
// ICMP alone), "!X" for a prohibition (9, 10 and 13, of ICMPv6 1), and "!" and the code
// for all others. See traceroute(8); the codes are those of RFC 792 and 1812, section
// 5.2.7.1, and of RFC 4443, section 3.1.
func (a Answer) Mark() string {
	return "" // not implemented yet (labs/05-raw-diagnostics/README.md#5-traceroute)
}

// basePort is the destination of UDP probes: traceroute(8).
const basePort = 33434

// Trace finds the way to dst: which router is how far. Hop t of the result is at
// t-1, and has an answer for each of its probes. The way ends where dst answers, or
// somebody says that a probe cannot be delivered, or after MaxHops.
//
// Up to Parallel probes are on their way at once, so a silent router holds nobody
// up. All probes of a trace look alike to a router that shares load among several
// ways by addresses and ports, or by ICMP checksum: they take one way. (Brice
// Augustin and others call this Paris traceroute, IMC 2006.) What tells them apart
// is quoted in every ICMP error, and nothing else is an answer: the length of a
// datagram, or the sequence number of an echo request, whose data makes up for it
// in the checksum.
//
// Trace ends when ctx ends, with what is known by then and no error.
func Trace(ctx context.Context, conn Conn, dst netip.Addr, o TraceOptions) ([]Hop, error) {
	return nil, errors.New("Trace: not implemented yet (labs/05-raw-diagnostics/README.md#5-traceroute)")
}

// A tracer knows its probes by their number: probe i has TTL 1 + i / Queries.
type tracer struct {
	conn     Conn
	dst      netip.Addr
	protocol Protocol // of the answers
	source   netip.AddrPort
	o        TraceOptions
	firstSeq uint16 // of echo requests

	probes  []probe
	next    int   // the next one to send
	waiting []int // in the order in which they left
	last    int   // the TTL at which the way ends, as far as is known
}

type probe struct {
	sent   time.Time
	done   bool // answered, or given up
	answer Answer
}

func newTracer(conn Conn, dst netip.Addr, o TraceOptions) (*tracer, error) {
	for field, standard := range map[*int]int{&o.MaxHops: 30, &o.Queries: 3, &o.Parallel: 16} {
		if *field == 0 {
			*field = standard
		}
	}
	if o.Timeout == 0 {
		o.Timeout = time.Second
	}
	if o.MaxHops > 255 || o.MaxHops*o.Queries > 1000 {
		return nil, errors.New("more probes than can be told apart: at most 255 hops, and 1000 probes")
	}
	t := &tracer{conn: conn, dst: dst, protocol: ICMPFor(dst), o: o, last: o.MaxHops, firstSeq: uint16(rand.Uint32())}
	t.probes = make([]probe, o.MaxHops*o.Queries)
	var err error
	if o.Method == UDPProbes {
		t.source, err = conn.Source(dst)
	}
	return t, err
}

// wanted is how many probes have a TTL that is on the way.
func (t *tracer) wanted() int { return t.last * t.o.Queries }

func (t *tracer) ttl(i int) int { return 1 + i/t.o.Queries }

// hops are all hops on the way that were probed.
func (t *tracer) hops() []Hop {
	var hops []Hop
	for i := range min(t.next, t.wanted()) {
		if i%t.o.Queries == 0 {
			hops = append(hops, Hop{TTL: t.ttl(i)})
		}
		h := &hops[len(hops)-1]
		h.Answers = append(h.Answers, t.probes[i].answer)
	}
	return hops
}
