// Package fanload loads a chat server with the one thing that chat servers
// are for: a message from one client to many. One sender speaks, all
// receivers listen, and the sender is never more than a window of messages
// ahead of the slowest receiver, so that what is measured is what arrived,
// not what was thrown at the server.
//
// The same load is run against servers that speak different protocols, and
// every run proves its own figure: each receiver must get each message once
// and in order, or the run is an error and has no figure at all.
package fanload

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Load says what is asked of a server. Its zero value is a usable load: 100
// receivers, bodies of 100 bytes, a window of 64 messages, two seconds.
type Load struct {
	Receivers int           // clients that listen; 100 if zero
	Body      int           // bytes in a message's body; 100 if zero
	Window    int           // messages the sender may be ahead of the slowest receiver; 64 if zero
	Warmup    time.Duration // spoken but not measured; 250 ms if zero, none if Messages is set
	Duration  time.Duration // measured; 2 s if zero
	Messages  int           // if set, the sender stops after this many, whatever the time
	Stopped   int           // clients besides the receivers that log in and then never read
	Patience  time.Duration // how long nothing may arrive before the run is given up; 10 s if zero
}

func (l Load) withDefaults() Load {
	def := func(v *int, d int) {
		if *v == 0 {
			*v = d
		}
	}
	def(&l.Receivers, 100)
	def(&l.Body, 100)
	def(&l.Window, 64)
	if l.Warmup == 0 && l.Messages == 0 {
		l.Warmup = 250 * time.Millisecond
	}
	if l.Duration == 0 {
		l.Duration = 2 * time.Second
	}
	if l.Patience == 0 {
		l.Patience = 10 * time.Second
	}
	return l
}

// Run is what one load on one server came to.
type Run struct {
	Receivers int           // clients that listened
	Sent      int           // messages spoken, warm-up included
	Delivered int           // messages that arrived, over all receivers; always Sent × Receivers
	Measured  int           // deliveries after the warm-up
	Elapsed   time.Duration // what they took, until the last one had arrived
	Joined    time.Duration // what it took to log everybody in
	P50, P99  time.Duration // from before the sender's write to after the receiver's read, sampled
}

// Rate is the deliveries per second.
func (r Run) Rate() float64 { return float64(r.Measured) / r.Elapsed.Seconds() }

// Do runs the load against the server at addr. An error means that the server
// lost, repeated or reordered a message, or could not be spoken to; there is
// no figure for such a run.
func Do(ctx context.Context, proto Protocol, addr string, load Load) (Run, error) {
	load = load.withDefaults()
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)

	crowd := newCrowd(load)
	started := time.Now()
	var conns []net.Conn
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	join := func(name string) (*client, error) {
		c, err := dial(ctx, proto, addr, name)
		if err != nil {
			return nil, fmt.Errorf("client %s could not join: %w", name, err)
		}
		conns = append(conns, c.conn)
		return c, nil
	}
	receivers := make([]*client, load.Receivers)
	for i := range receivers {
		c, err := join(fmt.Sprintf("r%04d", i))
		if err != nil {
			return Run{}, err
		}
		receivers[i] = c
	}
	for i := range load.Stopped {
		c, err := join(fmt.Sprintf("s%04d", i))
		if err != nil {
			return Run{}, err
		}
		c.readLittle()
	}
	speaker, err := join("speaker")
	if err != nil {
		return Run{}, err
	}
	joined := time.Since(started)

	var reading sync.WaitGroup
	closing := new(atomic.Bool)
	for i, c := range receivers {
		reading.Go(func() {
			if err := crowd.receive(i, c); !closing.Load() {
				cancel(fmt.Errorf("receiver %d: %w", i, err))
			}
		})
	}
	reading.Go(func() {
		if err := speaker.drain(); !closing.Load() {
			cancel(fmt.Errorf("the sender's connection broke: %w", err))
		}
	})

	run, err := crowd.speak(ctx, speaker)
	closing.Store(true)
	for _, c := range conns {
		c.Close()
	}
	reading.Wait()
	if cause := context.Cause(ctx); err != nil && cause != nil && !errors.Is(cause, context.Canceled) {
		err = cause // what broke, rather than that the sender then stopped
	}
	if err != nil {
		return Run{}, err
	}
	run.Joined = joined
	run.P50, run.P99 = crowd.latencies()
	return run, nil
}
