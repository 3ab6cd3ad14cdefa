package udpheartbeat

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"sync"
	"sync/atomic"
	"time"
)

// Defaults of a Sender.
const (
	DefaultInterval = 100 * time.Millisecond
	ByeCopies       = 3 // how often a Bye is sent: nobody asks for one that is lost
)

// A Sender tells a monitor that it is there. Its fields are set before Run is
// called and not changed afterwards.
type Sender struct {
	Name Name
	Key  []byte // what the monitor has, too

	// Incarnation must be greater than that of every Sender that had this name
	// before: the time of its start in Unix seconds will do, mostly.
	Incarnation uint32

	// Interval is the time from beat to beat; 0 is DefaultInterval.
	Interval time.Duration

	// Jitter delays each beat by a random part of Interval, from 0 to Jitter
	// (0 to 1), so that a thousand senders that were started together do not
	// beat together. The next beat is not later for it.
	Jitter float64

	// Logger gets what an operator should know; nil is slog.Default().
	Logger *slog.Logger

	mu      sync.Mutex // guards what follows: beats and answers meet here
	pending Pending
	rtt     Estimator
	heard   time.Time // when the last answer came

	sent, unsent atomic.Uint64
	failing      bool // the last Write failed; belongs to the goroutine of beat
}

// Run beats over conn, which is connected to the monitor, until ctx ends; then
// it says goodbye and returns ctx's error. It does not close conn. When conn is
// closed, Run returns an error that is net.ErrClosed. It is called once.
func (s *Sender) Run(ctx context.Context, conn net.Conn) error {
	answers := s.hear(conn)
	defer answers.stop()
	return s.beat(ctx, conn)
}

// beat sends the beats.
//
// Beat number i (0, 1, 2, …) is due at the start plus i intervals, and a random
// part of Jitter; the first one at once. It has the Seq i, also when the ones
// before it could not be sent. When a Write takes long, the beats whose whole
// interval has gone by are left out, with their numbers: nobody learns anything
// from five beats at once.
//
// An error of Write is no reason to stop, but for net.ErrClosed: the monitor may
// be starting, the cable be out. ECONNREFUSED is what became of an earlier beat,
// and the one that was to be written has not been sent: it is sent once more.
//
// When ctx ends, beat sends a Bye with the next number, ByeCopies times, and
// returns ctx's error.
func (s *Sender) beat(ctx context.Context, conn net.Conn) error {
	return errors.New("beat: not implemented yet (labs/04-udp-heartbeat/README.md#2-sender)")
}

// send sends a datagram, a second time if the first was refused, and not a third.
func (s *Sender) send(conn net.Conn, codec *Codec, t Type, seq uint32) error {
	return errors.New("send: not implemented yet (labs/04-udp-heartbeat/README.md#2-sender)")
}

func (s *Sender) interval() time.Duration {
	if s.Interval <= 0 {
		return DefaultInterval
	}
	return s.Interval
}

// jitter is how much later than planned a beat is sent.
func (s *Sender) jitter(interval time.Duration) time.Duration {
	return 0
}

// count counts what became of a Write, and logs when that changes.
func (s *Sender) count(err error) {
	switch {
	case err == nil:
		s.sent.Add(1)
		if s.failing {
			logger(s.Logger).Info("beats are sent again")
		}
	case !s.failing && !errors.Is(err, net.ErrClosed):
		logger(s.Logger).Warn("a beat could not be sent; going on", "err", err)
		fallthrough
	default:
		s.unsent.Add(1)
	}
	s.failing = err != nil
}

// Sent is how many datagrams have been sent, and how many could not be.
func (s *Sender) Sent() (sent, unsent uint64) { return s.sent.Load(), s.unsent.Load() }

func logger(l *slog.Logger) *slog.Logger {
	if l == nil {
		return slog.Default()
	}
	return l
}
