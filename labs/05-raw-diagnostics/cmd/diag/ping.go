package main

import (
	"context"
	"fmt"
	"net/netip"
	"time"

	rawdiag "workbook.example/labs/05-raw-diagnostics"
)

func ping(ctx context.Context, args []string) error {
	f := newFlags("ping")
	count := f.Int("c", 0, "how many `requests` to send; 0 is until Ctrl-C")
	interval := f.Duration("i", time.Second, "time from one request to the next; 0 sends the next one when the last is answered")
	timeout := f.Duration("W", time.Second, "how long a reply may take")
	size := f.Int("s", 56, "`bytes` of data in a request")
	ttl := f.Int("t", 0, "`TTL` of the requests; 0 is the kernel's own")
	raw := f.Bool("raw", false, "a raw socket, which also hears what routers say, and not a ping socket if there may be one")
	quiet := f.Bool("q", false, "only the figures at the end")
	version := versions(f)
	if err := parse(f, "diag ping sends echo requests, and tells what comes back.", "diag ping -c 3 127.0.0.1", 1, args); err != nil {
		return err
	}
	switch {
	case *count < 0 || *interval < 0 || *timeout <= 0:
		return fmt.Errorf("%w: nothing is sent less than never: give -c and -i 0 or more, and -W more", errUsage)
	case *size < 0 || *size > 65507:
		return fmt.Errorf("%w: a request has 0 to 65507 bytes of data", errUsage)
	case *ttl < 0 || *ttl > 255:
		return fmt.Errorf("%w: a TTL is from 1 to 255, and 0 is the kernel's own", errUsage)
	}
	dst, err := resolve(ctx, f.Arg(0), version())
	if err != nil {
		return err
	}
	mode := rawdiag.Auto
	if *raw {
		mode = rawdiag.RawOnly
	}
	conn, err := rawdiag.Open(rawdiag.ICMPFor(dst), mode)
	if err != nil {
		return err
	}
	defer conn.Close()
	fmt.Printf("ping %s: %d bytes of data, through a %v\n", named(f.Arg(0), dst), *size, conn)
	o := rawdiag.PingOptions{Count: *count, Interval: *interval, Timeout: *timeout, Size: *size, TTL: *ttl}
	if !*quiet {
		o.Each = func(r rawdiag.Reply) { fmt.Println(told(r, *size)) }
	}
	s, err := rawdiag.Ping(ctx, conn, dst, o)
	if err != nil && s.Sent == 0 {
		return err
	}
	fmt.Print(summary(s))
	if err != nil || s.Answered > 0 {
		return err
	}
	if conn.String() == "ping socket" {
		fmt.Println("A ping socket does not hear what routers say about a request; -raw does.")
	}
	return errFound
}

// named is a host as it was called, with its address.
func named(host string, a netip.Addr) string {
	if host == a.String() {
		return host
	}
	return fmt.Sprintf("%s (%v)", host, a)
}

// told is a line for what became of a request.
func told(r rawdiag.Reply, size int) string {
	switch r.Outcome {
	case rawdiag.Lost:
		return fmt.Sprintf("seq=%d: no reply", r.Seq)
	case rawdiag.Refused:
		return fmt.Sprintf("from %v: seq=%d: %s", r.From, r.Seq, refusal(r.Message))
	}
	line := fmt.Sprintf("%d bytes from %v: seq=%d ttl=%d time=%s", 8+size, r.From, r.Seq, r.TTL, millis(r.RTT))
	switch r.Outcome {
	case rawdiag.Duplicate:
		line += " (duplicate)"
	case rawdiag.Late:
		line += " (too late)"
	}
	return line
}

// refusal says why a request was not delivered.
func refusal(m rawdiag.Message) string {
	if m.Kind == rawdiag.TimeExceeded {
		return "its time to live ended here"
	}
	return fmt.Sprintf("unreachable, code %d", m.Code)
}

// millis is a round-trip time as people read it: three digits behind the point are
// microseconds.
func millis(d time.Duration) string {
	return fmt.Sprintf("%.3f ms", d.Seconds()*1000)
}

// summary are the last lines of a ping.
func summary(s rawdiag.PingStats) string {
	text := fmt.Sprintf("\n%d sent, %d answered, %d lost, %d refused", s.Sent, s.Answered, s.Lost, s.Refused)
	if s.Duplicates > 0 {
		text += fmt.Sprintf(", %d duplicates", s.Duplicates)
	}
	if s.Late > 0 {
		text += fmt.Sprintf(", %d too late", s.Late)
	}
	if settled := s.Answered + s.Lost + s.Refused; settled > 0 {
		text += fmt.Sprintf(" (%.3g %% without an answer)", float64(s.Lost+s.Refused)/float64(settled)*100)
	}
	text += "\n"
	if s.Answered > 0 {
		text += fmt.Sprintf("min %s, avg %s, max %s, mdev %s\n", millis(s.Min), millis(s.Avg), millis(s.Max), millis(s.Mdev))
	}
	return text
}
