package robustclient_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	robustclient "workbook.example/labs/06-robust-client"
	"workbook.example/tools/labtest"
)

var errDown = errors.New("the server is down")

func TestRetriesArePartOfTheRequests(tt *testing.T) {
	t := labtest.Begin(tt)
	ten := new(robustclient.RetryTokens)
	for range 10 {
		ten.Request()
	}
	if !ten.Retry() {
		t.Broken("After ten requests, with a Ratio of 0.1, Retry allowed no retry; expected one: ten times 0.1 is 1, also where floating point says 0.9999999999999999.")
	}
	for _, c := range []struct {
		ratio    float64
		requests int
		most     int
	}{{0, 1000, 100}, {0.1, 1000, 100}, {0.5, 200, 100}, {1, 100, 100}} {
		tokens := &robustclient.RetryTokens{Ratio: c.ratio}
		retries := 0
		for range c.requests {
			tokens.Request()
			for range 3 { // each fails, and would be tried again and again
				if tokens.Retry() {
					retries++
				}
			}
		}
		if retries > c.most || retries < c.most*9/10 {
			t.Broken("With a Ratio of %v (0 is 0.1), %d requests failed and would all have been tried again. %d retries were allowed; expected %d.", c.ratio, c.requests, retries, c.most)
		}
	}
}

func TestTokensBeginWithNone(tt *testing.T) {
	t := labtest.Begin(tt)
	tokens := new(robustclient.RetryTokens)
	if tokens.Retry() {
		t.Broken("Before any request, Retry allowed a retry; expected none: a thousand clients that start into an outage would double it.")
	}
	tokens.Request()
	if tokens.Retry() {
		t.Broken("After one request, Retry allowed a retry; a token takes ten requests.")
	}
}

func TestSavedTokensAreBounded(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, c := range []struct {
		most float64
		want int
	}{{0, robustclient.DefaultMost}, {3, 3}} {
		tokens := &robustclient.RetryTokens{Most: c.most}
		for range 10_000 { // a good hour
			tokens.Request()
		}
		retries := 0
		for range 1000 {
			if tokens.Retry() {
				retries++
			}
		}
		if retries != c.want {
			t.Broken("10000 requests succeeded, and then 1000 failed. With a Most of %v (0 is %d), %d retries were allowed at once; expected %d.", c.most, robustclient.DefaultMost, retries, c.want)
		}
	}
}

func TestManyMayShareTokens(tt *testing.T) {
	t := labtest.Begin(tt)
	tokens := &robustclient.RetryTokens{Ratio: 0.5, Most: 1e6}
	var retries atomic.Int32
	var all sync.WaitGroup
	const goroutines, each = 8, 1000
	for range goroutines {
		all.Go(func() {
			for range each {
				tokens.Request()
				if tokens.Retry() {
					retries.Add(1)
				}
			}
		})
	}
	t.Returns("Request and Retry, called by eight goroutines at once,", all.Wait)
	for retries.Load() <= goroutines*each && tokens.Retry() {
		retries.Add(1)
	}
	if got := retries.Load(); got != goroutines*each/2 {
		t.Broken("Eight goroutines made 1000 requests each, with a Ratio of 0.5. %d retries were allowed; expected 4000.", got)
	}
}

// call makes a call through b, and tells whether it was allowed.
func call(b *robustclient.Breaker, outcome error) (allowed bool, err error) {
	done, err := b.Allow()
	if err != nil {
		return false, err
	}
	if done == nil {
		return false, errors.New("Allow returned neither an error nor a function.")
	}
	done(outcome)
	return true, nil
}

// calls makes a call for each outcome; all must be allowed.
func calls(b *robustclient.Breaker, what string, outcomes ...error) error {
	for i, outcome := range outcomes {
		if allowed, err := call(b, outcome); !allowed {
			return fmt.Errorf("%s: call %d was refused (%v); expected that it is allowed.", what, i+1, orNil(err))
		}
	}
	return nil
}

// isOpen checks that b refuses.
func isOpen(b *robustclient.Breaker, what string) error {
	if allowed, err := call(b, nil); allowed || !errors.Is(err, robustclient.ErrOpen) {
		return fmt.Errorf("%s: a call was allowed, or refused with something else than ErrOpen (%v); expected ErrOpen.", what, orNil(err))
	}
	return nil
}

// opened is a Breaker that has just opened, after three failures.
func opened() (*robustclient.Breaker, error) {
	b := &robustclient.Breaker{Threshold: 3, Cooldown: 10 * time.Second}
	if err := calls(b, "A closed breaker with a Threshold of 3", errDown, errDown, errDown); err != nil {
		return nil, err
	}
	return b, isOpen(b, "After 3 failures in a row, with a Threshold of 3")
}

func TestBreakerOpensAfterFailuresInARow(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(*labtest.StreamNet) error {
		if _, err := opened(); err != nil {
			return err
		}
		b := &robustclient.Breaker{Threshold: 3, Cooldown: 10 * time.Second}
		if err := calls(b, "Two failures, a success, two failures, a success, with a Threshold of 3", errDown, errDown, nil, errDown, errDown, nil, errDown, errDown); err != nil {
			return err
		}
		if err := calls(b, "The third failure in a row", errDown); err != nil {
			return err
		}
		if err := isOpen(b, "After the third failure in a row, with a Threshold of 3"); err != nil {
			return err
		}
		b = new(robustclient.Breaker)
		for i := range robustclient.DefaultThreshold {
			if err := calls(b, fmt.Sprintf("The zero Breaker after %d failures", i), errDown); err != nil {
				return err
			}
		}
		return isOpen(b, "The zero Breaker after DefaultThreshold failures in a row")
	})
}

func TestOpenBreakerStaysOpenForItsCooldown(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(*labtest.StreamNet) error {
		b, err := opened()
		if err != nil {
			return err
		}
		for range 9 {
			time.Sleep(time.Second) // who asks does not prolong it
			if err := isOpen(b, "During the Cooldown of 10s"); err != nil {
				return err
			}
		}
		time.Sleep(time.Second + time.Millisecond)
		return calls(b, "After the Cooldown of 10s, during which others have asked", nil)
	})
}

func TestOneProbeWhenHalfOpen(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(*labtest.StreamNet) error {
		b, err := opened()
		if err != nil {
			return err
		}
		for round := range 3 {
			time.Sleep(11 * time.Second)
			var allowed atomic.Int32
			var all sync.WaitGroup
			for range 1000 {
				all.Go(func() {
					done, err := b.Allow()
					if err != nil {
						return
					}
					allowed.Add(1)
					time.Sleep(30 * time.Second) // longer than the Cooldown
					done(errDown)
				})
			}
			time.Sleep(20 * time.Second)
			if err := isOpen(b, "While the probe is on its way, for longer than the Cooldown"); err != nil {
				return err
			}
			all.Wait()
			if got := allowed.Load(); got != 1 {
				return fmt.Errorf("After Cooldown number %d a thousand clients asked at once. %d were let through; expected exactly one, the probe.", round+1, got)
			}
		}
		return nil
	})
}

func TestProbeDecides(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(*labtest.StreamNet) error {
		b, err := opened()
		if err != nil {
			return err
		}
		time.Sleep(11 * time.Second)
		if err := calls(b, "The first call after the Cooldown", errDown); err != nil {
			return err
		}
		time.Sleep(9 * time.Second)
		if err := isOpen(b, "9s after the probe failed, with a Cooldown of 10s"); err != nil {
			return err
		}
		time.Sleep(2 * time.Second)
		if err := calls(b, "After the second Cooldown", nil); err != nil {
			return err
		}
		return calls(b, "When the probe has succeeded, with a Threshold of 3", nil, errDown, errDown, nil, errDown, errDown)
	})
}

func TestCancelledCallIsNoVerdict(tt *testing.T) {
	t := labtest.Begin(tt)
	cancelled := fmt.Errorf("asking the server: %w", context.Canceled)
	onFakeTime(t, func(*labtest.StreamNet) error {
		b, err := opened()
		if err != nil {
			return err
		}
		time.Sleep(11 * time.Second)
		if err := calls(b, "The probe", cancelled); err != nil {
			return err
		}
		time.Sleep(time.Hour)
		if err := calls(b, "An hour after a probe that its caller cancelled", errDown); err != nil {
			return err
		}
		if err := isOpen(b, "When a probe was cancelled and the next one failed"); err != nil {
			return err
		}
		b = &robustclient.Breaker{Threshold: 3, Cooldown: 10 * time.Second}
		if err := calls(b, "A closed breaker whose callers cancel, with a Threshold of 3", cancelled, cancelled, cancelled, cancelled); err != nil {
			return err
		}
		// Nor are they successes between the failures.
		if err := calls(b, "A closed breaker, with a Threshold of 3", errDown, errDown, cancelled, errDown); err != nil {
			return err
		}
		return isOpen(b, "After 3 failures in a row and a cancelled call among them, with a Threshold of 3")
	})
}

func TestOldVerdictDoesNotCount(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(*labtest.StreamNet) error {
		b := &robustclient.Breaker{Threshold: 3, Cooldown: 10 * time.Second}
		var old [3]func(error)
		for i := range old {
			var err error
			if old[i], err = b.Allow(); err != nil {
				return err
			}
		}
		if err := calls(b, "A closed breaker", errDown, errDown, errDown); err != nil {
			return err
		}
		old[0](nil) // a success of the time before
		if err := isOpen(b, "A call from before the breaker opened succeeds late"); err != nil {
			return err
		}
		time.Sleep(9 * time.Second)
		old[1](errDown)
		time.Sleep(2 * time.Second)
		probe, err := b.Allow()
		if err != nil {
			return fmt.Errorf("A call from before the breaker opened failed late, and 11s after it opened, with a Cooldown of 10s, a call was refused (%v); expected that nothing is prolonged.", orNil(err))
		}
		old[2](nil)
		if err := isOpen(b, "While the probe is on its way, a call from before the breaker opened succeeds"); err != nil {
			return err
		}
		probe(nil)
		return calls(b, "When the probe has succeeded", nil, nil)
	})
}

func TestVerdictCountsOnce(tt *testing.T) {
	t := labtest.Begin(tt)
	onFakeTime(t, func(*labtest.StreamNet) error {
		b := &robustclient.Breaker{Threshold: 3, Cooldown: 10 * time.Second}
		done, err := b.Allow()
		if err != nil {
			return err
		}
		for range 5 {
			done(errDown)
		}
		return calls(b, "One call failed and said so five times, with a Threshold of 3", nil)
	})
}

// storm lets clients ask a server for something again and again, through
// guards. The server is down for a minute, from 20 s on. It returns how many
// requests there were, how many attempts they became, how many attempts were
// made while the server was down, and how many of the requests in the last 15 s
// succeeded.
func storm(clients int, every time.Duration, guard func() *robustclient.Guard) *stormCount {
	s := new(stormCount)
	const length = 115 * time.Second
	begin := time.Now()
	ask := func(context.Context) error {
		s.attempts.Add(1)
		if now := time.Since(begin); now < 20*time.Second || now > 80*time.Second {
			return nil
		}
		s.inVain.Add(1)
		return refused
	}
	var all sync.WaitGroup
	for i := range clients {
		g := guard()
		all.Go(func() {
			time.Sleep(every * time.Duration(i) / time.Duration(clients))
			for time.Since(begin) < length {
				s.requests.Add(1)
				late := time.Since(begin) > 100*time.Second
				err := g.Do(background, ask)
				if late {
					s.late.Add(1)
					if err == nil {
						s.served.Add(1)
					}
				}
				time.Sleep(every)
			}
		})
	}
	all.Wait()
	return s
}

// stormCount is what was counted in a storm.
type stormCount struct{ requests, attempts, inVain, late, served atomic.Int64 }

func TestStormIsBounded(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	backoff := robustclient.Backoff{Base: 100 * time.Millisecond, Cap: 5 * time.Second}
	onFakeTime(t, func(*labtest.StreamNet) error {
		tokens := new(robustclient.RetryTokens) // of all
		s := storm(1000, 10*time.Second, func() *robustclient.Guard {
			return &robustclient.Guard{Tokens: tokens, Breaker: &robustclient.Breaker{Threshold: 1e9}, Backoff: backoff}
		})
		if s.attempts.Load() == s.requests.Load() {
			return fmt.Errorf("A thousand clients share their RetryTokens. The server was down for a minute, and none of %d requests was tried again; expected that some are.", s.requests.Load())
		}
		return s.bounded("A thousand clients share their RetryTokens, and no breaker stops them")
	})
	onFakeTime(t, func(*labtest.StreamNet) error {
		const clients, every = 200, 5 * time.Second
		s := storm(clients, every, func() *robustclient.Guard {
			return &robustclient.Guard{Tokens: new(robustclient.RetryTokens), Breaker: &robustclient.Breaker{Threshold: 2, Cooldown: 15 * time.Second}, Backoff: backoff}
		})
		if without := int64(clients * time.Minute / every); s.inVain.Load()*2 > without {
			return fmt.Errorf("%d clients have RetryTokens and a Breaker each, with a Threshold of 2 and a Cooldown of 15s. They made %d attempts in the minute in which the server was down; without breakers there would have been %d or more, and at most half is expected.", clients, s.inVain.Load(), without)
		}
		return s.bounded(fmt.Sprintf("%d clients have RetryTokens and a Breaker each", clients))
	})
}

// bounded checks that attempts were at most 1.1 times the requests, and that
// all were served when it was over.
func (s *stormCount) bounded(what string) error {
	requests, attempts := s.requests.Load(), s.attempts.Load()
	if attempts*10 > requests*11 {
		return fmt.Errorf("%s. The server was down for a minute: with the time before and after, %d requests became %d attempts; expected at most 1.1 times as many.", what, requests, attempts)
	}
	if s.served.Load() < s.late.Load() {
		return fmt.Errorf("%s. More than 20s after the server had come back, %d of %d requests succeeded; expected all.", what, s.served.Load(), s.late.Load())
	}
	return nil
}

func TestRealServerIsProbed(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1, 2)
	server := t.Server("server")
	broken := t.Proxy("proxy", server.Addr(), labtest.ToClient.ResetAfter(0)).Addr()
	var addr atomic.Value
	addr.Store(broken)
	attempts := 0
	ask := func(ctx context.Context) error {
		attempts++
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", addr.Load().(string))
		if err != nil {
			return err
		}
		defer conn.Close()
		if addr.Load() != broken {
			return nil
		}
		conn.SetDeadline(time.Now().Add(labtest.Patience))
		_, err = conn.Read(make([]byte, 1))
		return err
	}
	g := &robustclient.Guard{Tokens: new(robustclient.RetryTokens), Breaker: &robustclient.Breaker{Threshold: 3, Cooldown: 30 * time.Millisecond}}
	begin := time.Now()
	var err error
	for range 3 {
		t.Returns("Guard.Do", func() { err = g.Do(background, ask) })
		if err == nil || errors.Is(err, robustclient.ErrOpen) {
			t.Broken("The server resets every connection. A call that should have been made returned %v.", orNil(err))
		}
	}
	t.Returns("Guard.Do", func() { err = g.Do(background, ask) })
	if time.Since(begin) < 30*time.Millisecond && (!errors.Is(err, robustclient.ErrOpen) || attempts != 3) {
		t.Broken("The server reset three connections, with a Threshold of 3. The next call returned %v, after %d attempts; expected ErrOpen, after 3.", orNil(err), attempts)
	}
	addr.Store(server.Addr())
	t.Eventually("That the breaker closes again, with a server that is well again and a Cooldown of 30ms", func() bool {
		return g.Do(background, ask) == nil
	})
	for i := range 5 {
		if err := g.Do(background, ask); err != nil {
			t.Broken("The server is well again and the probe succeeded. Call %d after it returned %v.", i+1, orNil(err))
		}
	}
}
