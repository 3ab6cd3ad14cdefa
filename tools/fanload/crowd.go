package fanload

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync/atomic"
	"time"
)

// sampleEvery is how many messages share one latency sample a receiver.
// Taking the time for each would make the load program the slow one.
const sampleEvery = 16

// crowd is the state that sender and receivers share.
type crowd struct {
	load      Load
	receivers []receiver
	sentAt    []atomic.Int64 // when message n was written, at n modulo the window's size; ns since epoch
	epoch     time.Time
	measured  atomic.Int64 // the first message after the warm-up

	// The sender sleeps until receiver slowest has got need messages.
	// Both sides publish before they look, so no wake-up is lost.
	slowest atomic.Int64
	need    atomic.Int64
	wake    chan struct{}
}

// receiver is one client's progress. It is padded because neighbours are
// written by other cores.
type receiver struct {
	got     atomic.Int64
	samples []time.Duration
	_       [64]byte
}

func newCrowd(load Load) *crowd {
	c := &crowd{
		load:      load,
		receivers: make([]receiver, load.Receivers),
		sentAt:    make([]atomic.Int64, load.Window),
		epoch:     time.Now(),
		wake:      make(chan struct{}, 1),
	}
	c.slowest.Store(-1)
	c.measured.Store(math.MaxInt64)
	return c
}

// receive counts client i's messages until its connection ends.
func (c *crowd) receive(i int, from *client) error {
	me := &c.receivers[i]
	for want := 0; ; want++ {
		n, err := from.next()
		if err != nil {
			return err
		}
		if n != want {
			return fmt.Errorf("got message %d where message %d was due", n, want)
		}
		if n%sampleEvery == i%sampleEvery && int64(n) >= c.measured.Load() {
			// Read before got is published: afterwards the slot may be the next message's.
			sent := c.sentAt[n%c.load.Window].Load()
			me.samples = append(me.samples, time.Since(c.epoch)-time.Duration(sent))
		}
		got := int64(want + 1)
		me.got.Store(got)
		if c.slowest.Load() == int64(i) && got >= c.need.Load() {
			select {
			case c.wake <- struct{}{}:
			default:
			}
		}
	}
}

// speak sends as the window allows, waits for the last delivery and returns
// the figures of what came after the warm-up.
func (c *crowd) speak(ctx context.Context, to *client) (Run, error) {
	var frame, body []byte
	sent, warm := 0, 0
	begin := time.Now()
	measuring := false
	for {
		now := time.Now()
		if !measuring && now.Sub(begin) >= c.load.Warmup {
			measuring, begin, warm = true, now, c.delivered()
			c.measured.Store(int64(sent))
		}
		if measuring && c.load.Messages == 0 && now.Sub(begin) >= c.load.Duration {
			break
		}
		if c.load.Messages > 0 && sent >= c.load.Messages {
			break
		}
		open, err := c.await(ctx, sent-c.load.Window+1)
		if err != nil {
			return Run{}, err
		}
		// Everything that the window allows goes out in one write, as it would
		// from any client that has more than one thing to say.
		until := open + c.load.Window
		if c.load.Messages > 0 {
			until = min(until, c.load.Messages)
		}
		frame = frame[:0]
		for n := sent; n < until; n++ {
			body = appendBody(body[:0], n, c.load.Body)
			frame = to.proto.AppendMessage(frame, body)
		}
		at := int64(time.Since(c.epoch))
		for n := sent; n < until; n++ {
			c.sentAt[n%c.load.Window].Store(at)
		}
		to.conn.SetWriteDeadline(now.Add(c.load.Patience))
		if _, err := to.conn.Write(frame); err != nil {
			return Run{}, fmt.Errorf("the sender could not send: %w", err)
		}
		sent = until
	}
	if _, err := c.await(ctx, sent); err != nil {
		return Run{}, err
	}
	run := Run{
		Receivers: c.load.Receivers,
		Sent:      sent,
		Delivered: c.delivered(),
		Elapsed:   time.Since(begin),
	}
	run.Measured = run.Delivered - warm
	if run.Delivered != sent*c.load.Receivers {
		return Run{}, fmt.Errorf("%d messages to %d receivers make %d deliveries, but %d arrived",
			sent, c.load.Receivers, sent*c.load.Receivers, run.Delivered)
	}
	return run, nil
}

// await waits until every receiver has got need messages, and returns how
// many the slowest has.
func (c *crowd) await(ctx context.Context, need int) (int, error) {
	c.need.Store(int64(need))
	least := int64(math.MaxInt64)
	for i := range c.receivers {
		got := c.receivers[i].got.Load()
		if got < int64(need) {
			c.slowest.Store(int64(i))
			var err error
			if got, err = c.awaitOne(ctx, i, int64(need)); err != nil {
				return 0, err
			}
		}
		least = min(least, got)
	}
	c.slowest.Store(-1)
	return int(least), nil
}

func (c *crowd) awaitOne(ctx context.Context, i int, need int64) (int64, error) {
	patience := time.NewTimer(c.load.Patience)
	defer patience.Stop()
	for {
		if got := c.receivers[i].got.Load(); got >= need {
			return got, nil
		}
		select {
		case <-c.wake:
		case <-ctx.Done():
			return 0, context.Cause(ctx)
		case <-patience.C:
			return 0, fmt.Errorf("receiver %d has %d messages, %d were due, and nothing came for %v",
				i, c.receivers[i].got.Load(), need, c.load.Patience)
		}
	}
}

func (c *crowd) delivered() int {
	sum := 0
	for i := range c.receivers {
		sum += int(c.receivers[i].got.Load())
	}
	return sum
}

// latencies returns the median and the 99th percentile of all samples. The
// receivers must have ended.
func (c *crowd) latencies() (p50, p99 time.Duration) {
	var all []time.Duration
	for i := range c.receivers {
		all = append(all, c.receivers[i].samples...)
	}
	if len(all) == 0 {
		return 0, 0
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100]
}
