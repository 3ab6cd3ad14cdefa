package robustclient

import (
	"context"
	"time"
)

// past is a deadline that wakes whoever waits.
var past = time.Unix(1, 0)

// interrupt wakes whoever waits on a connection when ctx ends: it gives
// setDeadline, a method of the connection, a point in time that has passed.
//
// The caller calls release when it waits no more. After release the connection
// has no deadline, also if ctx ends at that very moment or later.
func interrupt(ctx context.Context, setDeadline func(time.Time) error) (release func()) {
	over, gone := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		select {
		case <-ctx.Done():
			setDeadline(past)
		case <-over:
		}
	}()
	return func() {
		close(over)
		<-gone
		setDeadline(time.Time{})
	}
}
