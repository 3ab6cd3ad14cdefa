package rawdiag

import (
	"context"
	"errors"
	"os"
	"time"
)

// arrivals are what comes in on a conn until a context ends. Only one goroutine
// uses them.
type arrivals struct {
	conn     Conn
	ctx      context.Context
	deadline time.Time // of the conn, as far as is known
	stop     func() bool
	woken    chan struct{} // closed when stop came too late, and what it was to stop is done
}

// arrivalsOf begins to receive from conn. Close ends it.
func arrivalsOf(ctx context.Context, conn Conn) *arrivals {
	a := &arrivals{conn: conn, ctx: ctx, woken: make(chan struct{})}
	// What waits already is woken by a deadline that has passed.
	a.stop = context.AfterFunc(ctx, func() {
		defer close(a.woken)
		conn.SetReadDeadline(time.Unix(1, 0))
	})
	return a
}

// next returns the next message, and ok false when none has come until then, or
// the context has ended. It may return so a little early: whoever calls it looks
// at the clock anyway. To set a deadline costs as much as to look at a message, so
// that one is left alone that is not later than it must be.
func (a *arrivals) next(until time.Time) (_ Arrival, ok bool, err error) {
	if a.deadline.IsZero() || until.Before(a.deadline) || !time.Now().Before(a.deadline) {
		if err := a.conn.SetReadDeadline(until); err != nil {
			return Arrival{}, false, err
		}
		a.deadline = until
		if a.ctx.Err() != nil { // it may have ended before the new deadline was set
			return Arrival{}, false, nil
		}
	}
	arrival, err := a.conn.Receive()
	if errors.Is(err, os.ErrDeadlineExceeded) {
		a.deadline = time.Time{}
		return Arrival{}, false, nil
	}
	return arrival, err == nil, err
}

func (a *arrivals) close() {
	if !a.stop() {
		<-a.woken
	}
	a.conn.SetReadDeadline(time.Time{})
}
