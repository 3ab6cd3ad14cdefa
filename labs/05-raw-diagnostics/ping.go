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
	Late                     // the first reply, after the timeout
	Lost                     // no reply in time
	Refused                  // a router or host said why not: see Message
)

// A Reply is what became of a request.
type Reply struct {
	Outcome Outcome
	Seq     int        // the request's number, from 0 on: it does not begin again after 65535
	From    netip.Addr // who said so
	TTL     int
	RTT     time.Duration
	Message Message // Refused: what was said
}

// PingStats is what a ping came to.
type PingStats struct {
	Sent       int
	Answered   int // in time, each request once
	Duplicates int
	Late       int
	Lost       int
	Refused    int

	Min, Avg, Max, Mdev time.Duration // of the round-trip times of the requests that were answered
}

// Ping sends echo requests to dst over conn and reports what came back. It ends
// after Count requests, each answered or given up, or when ctx ends, which is no
// error. The conn belongs to Ping as long as it runs, and stays open.
func Ping(ctx context.Context, conn Conn, dst netip.Addr, o PingOptions) (PingStats, error) {
	return PingStats{}, errors.New("Ping: not implemented yet (labs/05-raw-diagnostics/README.md#4-ping)")
}
