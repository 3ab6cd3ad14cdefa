package rawdiag

import (
	"context"
	"errors"
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

// Mark is what traceroute prints behind an answer: "!N" for an unreachable
// network, "!H" for a host, "!X" for a prohibition, "" for what is no refusal; see
// traceroute(8).
func (a Answer) Mark() string {
	return "" // not implemented yet (labs/05-raw-diagnostics/README.md#5-traceroute)
}

// Trace finds the way to dst: which router is how far. It ends at dst, at a
// router that refuses to go on, or after MaxHops.
func Trace(ctx context.Context, conn Conn, dst netip.Addr, o TraceOptions) ([]Hop, error) {
	return nil, errors.New("Trace: not implemented yet (labs/05-raw-diagnostics/README.md#5-traceroute)")
}
