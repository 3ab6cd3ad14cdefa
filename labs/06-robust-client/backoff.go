package robustclient

import "time"

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
	return 0
}

// between is a random delay from low to high, both included.
func (b Backoff) between(low, high time.Duration) time.Duration {
	return 0
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
