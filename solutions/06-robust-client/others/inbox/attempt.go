package robustclient

import (
	"errors"
	"fmt"
	"time"
)

// Why Connect gave up.
var (
	// ErrFinal says that the last attempt failed in a way that no other attempt
	// would mend.
	ErrFinal = errors.New("trying again would not help")
	// ErrAttempts says that MaxAttempts were made.
	ErrAttempts = errors.New("no more attempts are allowed")
	// ErrBudget says that the time of Client.Budget is over.
	ErrBudget = errors.New("the time for connecting is over")
	// ErrAttemptTimeout says that one attempt took longer than
	// Client.AttemptTimeout. It is worth another try.
	ErrAttemptTimeout = errors.New("no connection within the time of an attempt")
)

// An Attempt is one try to connect, and what came of it.
type Attempt struct {
	Number int           // 1 for the first one of a call of Connect
	Err    error         // nil if it succeeded
	Took   time.Duration // from its beginning to its end
	Wait   time.Duration // planned until the next one begins, told before it; 0 if this was the last
}

// A ConnectError is what Connect returns when it gives up. With errors.Is and
// errors.As, it is the reason for that, and also the error of each attempt.
type ConnectError struct {
	Attempts []Attempt // all that were made, in order; at least one
	Reason   error     // ErrFinal, ErrAttempts, ErrBudget, or that of the context
}

func (e *ConnectError) Error() string {
	tries := "1 attempt"
	if len(e.Attempts) != 1 {
		tries = fmt.Sprintf("%d attempts", len(e.Attempts))
	}
	if len(e.Attempts) == 0 {
		return fmt.Sprintf("%s: %v", tries, e.Reason)
	}
	return fmt.Sprintf("%s, the last one: %v (%v)", tries, e.Attempts[len(e.Attempts)-1].Err, e.Reason)
}

// Unwrap is for errors.Is and errors.As.
func (e *ConnectError) Unwrap() []error {
	all := []error{e.Reason}
	for _, a := range e.Attempts {
		all = append(all, a.Err)
	}
	return all
}
