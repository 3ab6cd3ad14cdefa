package robustclient

import (
	"math"
	"math/bits"
	"math/rand/v2"
	"time"
)

// A Jitter is how chance changes a delay, so that clients that failed together
// do not come back together.
type Jitter int

// The kinds of jitter. The names are those of the AWS Architecture Blog,
// "Exponential Backoff And Jitter" (2015).
const (
	// FullJitter is anything from nothing to the delay.
	FullJitter Jitter = iota
	// EqualJitter is half of the delay, and anything up to the other half.
	EqualJitter
	// DecorrelatedJitter is anything from Base to three times the last wait.
	DecorrelatedJitter
	// NoJitter is the delay itself.
	NoJitter
)

// Defaults of a Backoff.
const (
	DefaultBase = 100 * time.Millisecond
	DefaultCap  = 30 * time.Second
)

// A Backoff says how long to wait before another try. Its zero value is a good
// one. It has no state: one may serve many goroutines.
type Backoff struct {
	// Base is the delay after the first failure; 0 is DefaultBase.
	Base time.Duration
	// Cap is the longest delay; 0 is DefaultCap. It bounds Base too.
	Cap time.Duration
	// Jitter is what chance does.
	Jitter Jitter
	// Random gives a number from 0 to n-1, for an n of at least 1; nil is Int64N
	// of math/rand/v2. All that is random comes from it.
	Random func(n int64) int64
}

// Next is how long to wait after so many failures in a row, 1 or more; less
// counts as 1. last is what Next returned before the last try, 0 if that was
// the first: only DecorrelatedJitter asks for it.
//
// Without jitter it is Base after the first failure, doubles with each further
// one, and is never more than Cap, however many failures there are. With jitter
// it is
//
//	EqualJitter         from half of that to all of it
//	FullJitter          from 0 to all of it
//	DecorrelatedJitter  from Base to 3*max(last, Base), or to Cap if that is
//	                    less; the number of failures does not count
//
// and everything between is equally likely, both ends included; but where the
// range is all of a Duration, math.MaxInt64 need not be.
func (b Backoff) Next(failures int, last time.Duration) time.Duration {
	most := b.cap()
	first := min(b.base(), most)
	if b.Jitter == DecorrelatedJitter {
		return b.between(first, scale(max(last, first), 3, most))
	}
	full := most
	if doublings := max(failures, 1) - 1; doublings < 62 {
		full = scale(first, 1<<doublings, most)
	}
	switch b.Jitter {
	case NoJitter:
		return full
	case EqualJitter:
		return b.between(full-full/2, full)
	default:
		return b.between(0, full)
	}
}

// scale is d times k, but not more than most.
func scale(d time.Duration, k int64, most time.Duration) time.Duration {
	if high, low := bits.Mul64(uint64(d), uint64(k)); high == 0 && low <= uint64(most) {
		return time.Duration(low)
	}
	return most
}

// between is a random delay from low to high, both included.
func (b Backoff) between(low, high time.Duration) time.Duration {
	random := b.Random
	if random == nil {
		random = rand.Int64N
	}
	n := int64(high - low)
	if n < math.MaxInt64 { // one nanosecond in 292 years may be missing
		n++
	}
	return low + time.Duration(random(n))
}

func (b Backoff) base() time.Duration {
	if b.Base == 0 {
		return DefaultBase
	}
	return b.Base
}

func (b Backoff) cap() time.Duration {
	if b.Cap == 0 {
		return DefaultCap
	}
	return b.Cap
}
