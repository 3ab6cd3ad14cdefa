package robustclient

import (
	"math"
	"sync/atomic"
)

// Defaults of a RetryTokens.
const (
	DefaultRatio = 0.1
	DefaultMost  = 10
)

// RetryTokens limits retries to a part of the requests, however many fail: each
// request earns a part of a token, each retry costs one. It begins with none.
// Its zero value has the defaults. Its methods may be called by several
// goroutines at once.
type RetryTokens struct {
	// Ratio is what a request earns, more than 0 and at most 1; 0 is
	// DefaultRatio: one retry for ten requests.
	Ratio float64
	// Most is how many tokens can be saved, so that a good hour does not pay for
	// a storm; 0 is DefaultMost.
	Most float64

	tokens atomic.Uint64 // the bits of a float64
}

// Request counts a request: the first try of something.
func (t *RetryTokens) Request() {
	ratio, most := t.Ratio, t.Most
	if ratio == 0 {
		ratio = DefaultRatio
	}
	if most == 0 {
		most = DefaultMost
	}
	t.change(func(tokens float64) float64 { return min(tokens+ratio, most) })
}

// Retry tells whether something may be tried again, and takes a token if so.
func (t *RetryTokens) Retry() bool {
	const hair = 1e-9 // ten times 0.1 is not quite 1
	return t.change(func(tokens float64) float64 {
		if tokens+hair < 1 {
			return tokens
		}
		return max(tokens-1, 0)
	})
}

// change replaces the number of tokens, and tells whether it has changed.
func (t *RetryTokens) change(f func(float64) float64) bool {
	for {
		old := t.tokens.Load()
		now := math.Float64bits(f(math.Float64frombits(old)))
		if t.tokens.CompareAndSwap(old, now) {
			return now != old
		}
	}
}
