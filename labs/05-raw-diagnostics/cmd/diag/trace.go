package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	rawdiag "workbook.example/labs/05-raw-diagnostics"
)

func trace(ctx context.Context, args []string) error {
	f := newFlags("trace")
	hops := f.Int("m", 30, "most `hops`")
	queries := f.Int("q", 3, "`probes` a hop")
	wait := f.Duration("w", time.Second, "how long an answer may take")
	parallel := f.Int("N", 16, "`probes` that may be on their way at once")
	echo := f.Bool("I", false, "send echo requests, and not datagrams")
	version := versions(f)
	if err := parse(f, "diag trace tells which routers are on the way to a host.", "diag trace 127.0.0.1", 1, args); err != nil {
		return err
	}
	if *hops < 1 || *hops > 255 || *queries < 1 || *parallel < 1 || *wait <= 0 {
		return fmt.Errorf("%w: there are 1 to 255 hops, and at least one probe a hop; and an answer takes time", errUsage)
	}
	dst, err := resolve(ctx, f.Arg(0), version())
	if err != nil {
		return err
	}
	// What routers say about a packet comes out of a raw socket only.
	conn, err := rawdiag.Open(rawdiag.ICMPFor(dst), rawdiag.RawOnly)
	if err != nil {
		return err
	}
	defer conn.Close()
	o := rawdiag.TraceOptions{MaxHops: *hops, Queries: *queries, Timeout: *wait, Parallel: *parallel}
	if *echo {
		o.Method = rawdiag.EchoProbes
	}
	fmt.Printf("trace to %s, at most %d hops\n", named(f.Arg(0), dst), *hops)
	way, err := rawdiag.Trace(ctx, conn, dst, o)
	if err != nil {
		return err
	}
	for _, h := range way {
		fmt.Println(hop(h))
	}
	if !reached(way, dst) {
		return errFound
	}
	return nil
}

// hop is a line for a hop: who answered, and each time. A router is named once for
// all answers that follow each other.
func hop(h rawdiag.Hop) string {
	line := fmt.Sprintf("%2d ", h.TTL)
	var last netip.Addr
	for _, a := range h.Answers {
		if !a.From.IsValid() {
			line += " *"
			continue
		}
		if a.From != last {
			line += fmt.Sprintf(" %v", a.From)
			last = a.From
			if len(a.Labels) > 0 {
				line += " " + labels(a.Labels)
			}
		}
		line += "  " + millis(a.RTT)
		if mark := a.Mark(); mark != "" {
			line += " " + mark
		}
	}
	return line
}

// labels are the MPLS labels of an answer.
func labels(all []rawdiag.Label) string {
	var text []string
	for _, l := range all {
		text = append(text, fmt.Sprint(l.Label))
	}
	return "[MPLS " + strings.Join(text, " ") + "]"
}

// reached reports whether a way ends at its destination.
func reached(way []rawdiag.Hop, dst netip.Addr) bool {
	if len(way) == 0 {
		return false
	}
	for _, a := range way[len(way)-1].Answers {
		if a.From == dst && a.Mark() == "" {
			return true
		}
	}
	return false
}
