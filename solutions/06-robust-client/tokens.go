package robustclient

import "sync"

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

	mu     sync.Mutex
	tokens float64
}

// Request counts a request: the first try of something.
func (t *RetryTokens) Request() {
	t.mu.Lock()
	defer t.mu.Unlock()
	ratio, most := t.Ratio, t.Most
	if ratio == 0 {
		ratio = DefaultRatio
	}
	if most == 0 {
		most = DefaultMost
	}
	t.tokens = min(t.tokens+ratio, most)
}

// Retry tells whether something may be tried again, and takes a token if so.
func (t *RetryTokens) Retry() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	// Ten times 0.1 is a little less than 1 in floating point.
	if t.tokens < 1-1e-9 {
		return false
	}
	t.tokens = max(t.tokens-1, 0)
	return true
}
