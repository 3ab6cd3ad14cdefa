package robustclient

import (
	"context"
	"errors"
	"sync/atomic"
	"time"
)

// Defaults of a Breaker.
const (
	DefaultThreshold = 5
	DefaultCooldown  = 5 * time.Second
)

// ErrOpen says that nothing was tried, because what was tried lately failed.
var ErrOpen = errors.New("the circuit breaker is open")

// A Breaker stops calls that would fail anyway.
//
// It is closed at first: everybody may call. After Threshold failures in a row,
// without a success between them, it is open: nobody may. When Cooldown has
// passed it is half-open: one may, the probe. If that succeeds the breaker is
// closed, if it fails it is open for another Cooldown.
//
// Its zero value has the defaults. Its methods may be called by several
// goroutines at once.
type Breaker struct {
	// Threshold is how many failures in a row open it; 0 is DefaultThreshold.
	Threshold int
	// Cooldown is how long it stays open; 0 is DefaultCooldown.
	Cooldown time.Duration

	state atomic.Pointer[state] // nil: closed, nothing has happened yet
}

// A Breaker's state does not change: it is replaced. Each one knows the verdicts
// of which calls it still takes: those of its own era.
//
//	closed     since is zero
//	open       since is set, and prober is nil; half-open when Cooldown is over
//	probing    since is set, and prober is who was let through
type state struct {
	era      *byte // another one after each change between closed and open
	failures int   // in a row
	since    time.Time
	prober   *call
}

// A call that was allowed.
type call struct {
	era  *byte
	over atomic.Bool
}

// change replaces the state by what f makes of it, unless f declines.
func (b *Breaker) change(f func(state) (state, bool)) bool {
	for {
		old := b.state.Load()
		var now state
		if old != nil {
			now = *old
		}
		next, ok := f(now)
		if !ok {
			return false
		}
		if b.state.CompareAndSwap(old, &next) {
			return true
		}
	}
}

// Allow asks whether a call may be made. If so, done must be called once with
// what came of it, nil for success; further calls of done count for nothing. If
// not, the error is ErrOpen and done is nil.
//
// A call that its own caller has cancelled (context.Canceled, to errors.Is) is
// neither a success nor a failure; if it was the probe, the next who asks is.
// What comes of a call counts only if the breaker has not opened or closed
// since it was allowed.
func (b *Breaker) Allow() (done func(error), err error) {
	c := &call{}
	allowed := b.change(func(s state) (state, bool) {
		c.era = s.era
		if s.since.IsZero() {
			return s, true
		}
		if s.prober != nil || time.Since(s.since) < b.cooldown() {
			return s, false
		}
		s.prober = c
		return s, true
	})
	if !allowed {
		return nil, ErrOpen
	}
	return func(err error) {
		if !c.over.Swap(true) {
			b.done(c, err)
		}
	}, nil
}

func (b *Breaker) done(c *call, err error) {
	b.change(func(s state) (state, bool) {
		switch {
		case c.era != s.era:
			return s, false
		case errors.Is(err, context.Canceled):
			if s.prober != c {
				return s, false
			}
			s.prober = nil
		case err == nil && s.since.IsZero():
			s.failures = 0
		case err == nil:
			s = state{era: new(byte)}
		default:
			s.failures++
			if s.prober == c || s.failures >= b.threshold() {
				s = state{era: new(byte), since: time.Now()}
			}
		}
		return s, true
	})
}

func (b *Breaker) threshold() int {
	if b.Threshold == 0 {
		return DefaultThreshold
	}
	return b.Threshold
}

func (b *Breaker) cooldown() time.Duration {
	if b.Cooldown == 0 {
		return DefaultCooldown
	}
	return b.Cooldown
}
