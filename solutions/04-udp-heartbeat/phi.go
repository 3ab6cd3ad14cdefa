package udpheartbeat

import (
	"math"
	"time"
)

// Defaults of a PhiConfig.
const (
	DefaultThreshold = 8
	DefaultSamples   = 200
)

// A PhiConfig says what a Phi expects and when it changes its mind.
type PhiConfig struct {
	// Interval is the time from beat to beat as long as fewer than two have been
	// measured; a quarter of it is the deviation.
	Interval time.Duration

	// Threshold is the phi from which on somebody is suspect; 0 is
	// DefaultThreshold.
	Threshold float64

	// DeadAfter is for how long no beat comes from somebody who is dead.
	DeadAfter time.Duration

	// Samples is how many intervals are remembered; 0 is DefaultSamples.
	Samples int

	// MinDeviation is the least standard deviation that is believed: a network
	// that was perfectly regular for a minute will not stay so.
	MinDeviation time.Duration

	// Pause is added to the mean: so much more is no surprise, whatever was
	// measured. It is for beats that are lost, of which a normal distribution
	// knows nothing.
	Pause time.Duration

	// Stall is as in TimeoutConfig; 0 is half of DeadAfter.
	Stall time.Duration
}

// A Phi is a Detector that learns how regularly the beats come, and says how
// surprising the present silence is: phi 1 when it would last as long by chance
// in one of 10 cases, phi 2 in one of 100, phi 8 in one of 100 million
// (Hayashibara and others, The phi accrual failure detector, 2004).
type Phi struct {
	cfg       PhiConfig
	last      time.Time
	checked   time.Time
	intervals []float64 // the last ones, in seconds; a ring when it is full
	next      int       // where the next one goes when it is
	mean, dev float64   // of intervals, in seconds
}

// NewPhi makes a detector for a sender that counts as heard at now.
func NewPhi(cfg PhiConfig, now time.Time) *Phi {
	if cfg.Threshold == 0 {
		cfg.Threshold = DefaultThreshold
	}
	if cfg.Samples == 0 {
		cfg.Samples = DefaultSamples
	}
	if cfg.Stall == 0 {
		cfg.Stall = cfg.DeadAfter / 2
	}
	return &Phi{cfg: cfg, last: now, checked: now}
}

// Heartbeat says that a beat has come, and remembers how long after the last
// one. The time for which somebody was dead is not an interval between beats.
func (d *Phi) Heartbeat(now time.Time) {
	silence := now.Sub(d.last)
	d.last = now
	if silence >= d.cfg.DeadAfter {
		return
	}
	if len(d.intervals) < d.cfg.Samples {
		d.intervals = append(d.intervals, silence.Seconds())
	} else {
		d.intervals[d.next] = silence.Seconds()
		d.next = (d.next + 1) % len(d.intervals)
	}
	d.mean, d.dev = math.NaN(), math.NaN() // measured when somebody asks
}

// normal is what is expected of the next interval, in seconds: the mean, and the
// standard deviation, at least cfg.MinDeviation.
func (d *Phi) normal() (mean, dev float64) {
	if len(d.intervals) < 2 {
		d.mean, d.dev = d.cfg.Interval.Seconds(), d.cfg.Interval.Seconds()/4
	} else if math.IsNaN(d.mean) {
		d.mean, d.dev = meanAndDeviation(d.intervals)
	}
	return d.mean, max(d.dev, d.cfg.MinDeviation.Seconds())
}

// meanAndDeviation is the mean and the standard deviation of some values. It
// goes over them twice: the difference of the mean square and the squared mean,
// both large and nearly the same, would leave little but rounding errors, and
// sometimes a negative number under the root. To divide the sum of the squares by
// how many there are, or by one less, is right both ways.
func meanAndDeviation(values []float64) (mean, dev float64) {
	for _, v := range values {
		mean += v
	}
	mean /= float64(len(values))
	for _, v := range values {
		dev += (v - mean) * (v - mean)
	}
	return mean, math.Sqrt(dev / float64(len(values)))
}

// Phi is how surprising the present silence is: -log10 of how likely it is, by
// a normal distribution with the mean (and Pause) and the deviation of the
// intervals, that a beat takes longer. It is at least 0, never NaN, and does not
// become smaller while the silence goes on.
func (d *Phi) Phi(now time.Time) float64 {
	mean, dev := d.normal()
	late := now.Sub(d.last).Seconds() - mean - d.cfg.Pause.Seconds()
	if dev <= 0 { // all intervals the same, and no MinDeviation
		if late > 0 {
			return math.Inf(1)
		}
		return 0
	}
	return surprise(late / dev)
}

// surprise is -log10 of how likely a standard normal variable is to be greater
// than z. erfc keeps its precision where 1-erf has none left, and underflows to 0
// where z is about 38; there its logarithm is computed from what it nears.
func surprise(z float64) float64 {
	if z < 35 {
		return max(0, -math.Log10(math.Erfc(z/math.Sqrt2)/2))
	}
	return (z*z/2 + math.Log(z*math.Sqrt(2*math.Pi)) - math.Log1p(-1/(z*z))) / math.Ln10
}

// Check is Dead when the silence has lasted for DeadAfter, and before that
// Suspect when phi has reached the threshold. Time in which the observer was not
// there does not count, as in Timeout.
func (d *Phi) Check(now time.Time) State {
	d.last = excused(d.last, d.checked, now, d.cfg.Stall)
	d.checked = now
	switch {
	case now.Sub(d.last) >= d.cfg.DeadAfter:
		return Dead
	case d.Phi(now) >= d.cfg.Threshold:
		return Suspect
	}
	return Alive
}
