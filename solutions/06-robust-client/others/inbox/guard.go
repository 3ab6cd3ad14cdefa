package robustclient

import (
	"context"
	"time"
)

// A Guard makes calls to a server that may be in trouble, and does not make the
// trouble worse. Its parts may be shared by many.
type Guard struct {
	Tokens  *RetryTokens // how many retries there may be, over all calls
	Breaker *Breaker     // whether to call at all
	Backoff Backoff      // how long to wait before a retry
}

// Do calls f until it succeeds, fails in a way that is not Retryable, or may not
// be called again. The error is that of the last call, or ErrOpen if there was
// none.
func (g *Guard) Do(ctx context.Context, f func(context.Context) error) error {
	g.Tokens.Request()
	var err error
	var last time.Duration
	for failures := 1; ; failures++ {
		done, open := g.Breaker.Allow()
		switch {
		case open != nil && err == nil:
			return open
		case open != nil:
			return err
		}
		err = f(ctx)
		done(err)
		if err == nil || !Retryable(err) || !g.Tokens.Retry() {
			return err
		}
		last = g.Backoff.Next(failures, last)
		if wait(ctx, last) != nil {
			return err
		}
	}
}
