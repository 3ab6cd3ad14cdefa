package robustclient

import (
	"errors"
	"sync"
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

	mu       sync.Mutex
	failures int       // in a row, while closed
	opened   time.Time // zero while closed
	probing  bool      // somebody has been let through since
	period   int       // counts the changes between closed and open
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
	return nil, errors.New("Allow: not implemented yet (labs/06-robust-client/README.md#8-storms)")
}

func (b *Breaker) done(period int, err error) {
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
