package udpheartbeat

import (
	"math"
	"time"
)

// A TimeoutConfig says when a Timeout changes its mind.
type TimeoutConfig struct {
	// SuspectAfter and DeadAfter are for how long no beat comes from somebody
	// who is suspect, and from somebody who is dead.
	SuspectAfter, DeadAfter time.Duration

	// Recover is how many beats in a row, none of them SuspectAfter or more
	// after the one before it, make a suspect or a dead one alive again; 0 is 1.
	// The first beat after a silence counts as one of them.
	Recover int

	// Stall is the longest time from one Check to the next in which the observer
	// counts as awake; 0 is half of SuspectAfter.
	Stall time.Duration
}

// A Timeout is a Detector that waits for so long and no longer.
type Timeout struct {
	cfg     TimeoutConfig
	state   State
	last    time.Time // the last beat, or what counts as one
	proof   int       // beats in a row that a suspect has sent
	checked time.Time
}

// NewTimeout makes a detector for a sender that counts as heard at now.
func NewTimeout(cfg TimeoutConfig, now time.Time) *Timeout {
	cfg.Recover = max(cfg.Recover, 1)
	if cfg.Stall == 0 {
		cfg.Stall = cfg.SuspectAfter / 2
	}
	return &Timeout{cfg: cfg, state: Alive, last: now, checked: now}
}

// Heartbeat says that a beat has come. Somebody who is Suspect or Dead is Alive
// again after cfg.Recover beats, and stays what it is until then.
func (d *Timeout) Heartbeat(now time.Time) {
	if now.Sub(d.last) >= d.cfg.SuspectAfter {
		d.proof = 0
	}
	d.last = now
	if d.state == Alive {
		return
	}
	if d.proof++; d.proof >= d.cfg.Recover {
		d.state = Alive
	}
}

// Check is Suspect when the silence has lasted for SuspectAfter, Dead when it has
// lasted for DeadAfter. A dead one does not become suspect again: it stays dead
// until Heartbeat says otherwise.
//
// When more than cfg.Stall has passed since the last Check, it was the observer
// who was not there (its machine was suspended, its process stopped), and that
// time says nothing about anybody else: it does not count as silence.
func (d *Timeout) Check(now time.Time) State {
	d.last = excused(d.last, d.checked, now, d.cfg.Stall)
	d.checked = now
	switch silence := now.Sub(d.last); {
	case silence >= d.cfg.DeadAfter:
		d.state, d.proof = Dead, 0
	case silence >= d.cfg.SuspectAfter && d.state == Alive:
		d.state, d.proof = Suspect, 0
	}
	return d.state
}

// excused is the last beat, as an observer counts it who looked at checked and
// looks again now: later by the time that he was away, if that is more than
// stall, but not later than now.
func excused(last, checked, now time.Time, stall time.Duration) time.Time {
	away := now.Sub(checked)
	if away <= stall {
		return last
	}
	if last = last.Add(away); last.After(now) {
		return now
	}
	return last
}

// SuspectAfter is a time for TimeoutConfig that is as short as it can be when,
// on a network that loses the given part of all datagrams (0 to less than 1), a
// sender that beats each interval may be suspected wrongly mistakes times a
// day at most.
//
// Of the beats of a day, a part loss^n is the first of n that are lost in a row,
// if the one before it came: there are day/interval × (1-loss) × loss^n such
// runs. The least n, at least 1, that makes this no more than mistakes is how many
// may not be lost in a row; then n intervals have gone by since the last beat. A
// quarter of an interval more is for what a beat may come late.
func SuspectAfter(interval time.Duration, loss, mistakes float64) time.Duration {
	beats := float64(24*time.Hour) / float64(interval)
	n := 1
	for beats*(1-loss)*math.Pow(loss, float64(n)) > mistakes && n < 1000 {
		n++
	}
	return time.Duration(n)*interval + interval/4
}
