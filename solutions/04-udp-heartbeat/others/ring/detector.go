package udpheartbeat

import (
	"fmt"
	"time"
)

// State is what an observer thinks of a sender.
type State int

// The states. The first is that of somebody who was never heard of.
const (
	Unknown State = iota
	Alive
	Suspect // silent for longer than usual
	Dead    // silent for so long that somebody should act on it
	Left    // said goodbye
)

// String is the state as it stands in a sentence.
func (s State) String() string {
	switch s {
	case Unknown:
		return "unknown"
	case Alive:
		return "alive"
	case Suspect:
		return "suspect"
	case Dead:
		return "dead"
	case Left:
		return "left"
	}
	return fmt.Sprintf("state %d", int(s))
}

// A Detector judges one sender by when its beats come. It belongs to one
// goroutine at a time, and has no clock and no timer of its own: whoever uses it
// says what time it is, and asks often.
//
// The times that it is given come from time.Now and have a monotonic clock
// reading (see package time). They are compared by Sub, Before and After only,
// so that it does not matter when somebody sets the clock of the machine.
type Detector interface {
	// Heartbeat says that a beat has come.
	Heartbeat(now time.Time)

	// Check is what the sender is at this time: Alive, Suspect or Dead.
	Check(now time.Time) State
}

var (
	_ Detector = (*Timeout)(nil)
	_ Detector = (*Phi)(nil)
)
