package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"os"
	"strings"
	"sync"
	"syscall"
	"time"

	heartbeat "workbook.example/labs/04-udp-heartbeat"
)

func send(ctx context.Context, args []string) error {
	f := newFlags("send")
	addr := f.String("addr", defaultAddr, "`address` where the monitor listens")
	name := f.String("name", hostname(), "`name` of the sender, or what the names of several begin with")
	interval := f.Duration("interval", heartbeat.DefaultInterval, "time from beat to beat")
	jitter := f.Float64("jitter", 0.1, "the `part` of an interval by which a beat may be late, 0 to 1")
	peers := f.Int("peers", 1, "how many senders to be: name-1, name-2, …")
	if err := parse(f, "heartbeat send beats until Ctrl-C, and then says goodbye.", args); err != nil {
		return err
	}
	switch {
	case *interval <= 0:
		return fmt.Errorf("%w: an interval is longer than 0, for example -interval 100ms", errUsage)
	case *jitter < 0 || *jitter > 1:
		return fmt.Errorf("%w: a jitter is from 0 to 1, for example -jitter 0.1", errUsage)
	case *peers < 1:
		return fmt.Errorf("%w: there is at least one sender", errUsage)
	}
	senders, err := newSenders(*name, *peers)
	if err != nil {
		return err
	}
	conns := make([]net.Conn, 0, len(senders))
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	for range senders {
		conn, err := net.Dial("udp", *addr)
		if errors.Is(err, syscall.EMFILE) {
			return fmt.Errorf("%d senders are %d sockets, and this process may have no more: try ulimit -n %d, or fewer -peers", *peers, *peers, *peers+100)
		}
		if err != nil {
			return fmt.Errorf("cannot send to %s: %w", *addr, err)
		}
		conns = append(conns, conn)
	}

	fmt.Printf("beating every %v to %s as %s; Ctrl-C says goodbye\n", *interval, *addr, named(senders))
	logger := slog.New(slog.NewTextHandler(os.Stderr, nil))
	var all sync.WaitGroup
	failed := make(chan error, len(senders))
	for i, s := range senders {
		s.Interval, s.Jitter, s.Logger, s.Key = *interval, *jitter, logger, key()
		if len(senders) > 1 {
			s.Logger = slog.New(slog.DiscardHandler)
		}
		all.Go(func() {
			// Many begin one after the other, as if they had been started by hand.
			select {
			case <-time.After(time.Duration(i) * *interval / time.Duration(len(senders))):
			case <-ctx.Done():
			}
			if err := s.Run(ctx, conns[i]); ctx.Err() == nil {
				failed <- err
			}
		})
	}
	var stopped error
	report := time.NewTicker(2 * time.Second)
	defer report.Stop()
	heard := quiet{}
	for done := false; !done; {
		select {
		case <-ctx.Done():
			done = true
		case stopped = <-failed:
			done = true
		case now := <-report.C:
			heard.tell(senders, now)
		}
	}
	if stopped != nil {
		return stopped
	}
	all.Wait()
	var sent, unsent uint64
	for _, s := range senders {
		a, b := s.Sent()
		sent, unsent = sent+a, unsent+b
	}
	fmt.Printf("goodbye; %d datagrams were sent, %d could not be\n", sent, unsent)
	return nil
}

// incarnationStep is the least time from start to start: 2^32 of them are 34
// years.
const incarnationStep = 250 * time.Millisecond

// newSenders makes senders with the given name, or with names made from it.
func newSenders(name string, n int) ([]*heartbeat.Sender, error) {
	incarnation := uint32(time.Since(time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)) / incarnationStep)
	senders := make([]*heartbeat.Sender, n)
	for i := range senders {
		full := name
		if n > 1 {
			full = fmt.Sprintf("%s-%d", name, i+1)
		}
		parsed, err := heartbeat.ParseName(full)
		if err != nil {
			return nil, fmt.Errorf("%w: %q cannot be a name: 1 to %d letters, digits, '-', '_' and '.'; say -name alice", errUsage, full, heartbeat.MaxName)
		}
		senders[i] = &heartbeat.Sender{Name: parsed, Incarnation: incarnation}
	}
	return senders, nil
}

// named is who the senders are, in a sentence.
func named(senders []*heartbeat.Sender) string {
	if len(senders) == 1 {
		return senders[0].Name.String()
	}
	return fmt.Sprintf("%v to %v", senders[0].Name, senders[len(senders)-1].Name)
}

// hostname is the machine's name, as far as it can be a sender's.
func hostname() string {
	host, err := os.Hostname()
	if err != nil {
		return "somebody"
	}
	host, _, _ = strings.Cut(host, ".")
	if _, err := heartbeat.ParseName(host); err != nil {
		return "somebody"
	}
	return host
}

// A quiet knows whether the monitor answers, and says so when that changes.
type quiet struct {
	told     bool
	answered bool
}

func (q *quiet) tell(senders []*heartbeat.Sender, now time.Time) {
	answered, rtt := 0, time.Duration(0)
	for _, s := range senders {
		if now.Sub(s.Heard()) < max(2*time.Second, 5*s.Interval) {
			answered++
			rtt += s.RTT()
		}
	}
	if q.told && (answered > 0) == q.answered {
		return
	}
	q.told, q.answered = true, answered > 0
	if answered == 0 {
		fmt.Println("nobody answers; is a heartbeat watch running there, with the same HEARTBEAT_KEY?")
		return
	}
	fmt.Printf("the monitor answers; a round trip takes %v\n", (rtt / time.Duration(answered)).Round(time.Microsecond))
}
