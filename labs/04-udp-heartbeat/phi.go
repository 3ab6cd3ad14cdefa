package udpheartbeat

import "time"

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
}

// normal is what is expected of the next interval, in seconds: the mean, and the
// standard deviation, at least cfg.MinDeviation.
func (d *Phi) normal() (mean, dev float64) {
	return 0, 0
}

// meanAndDeviation is the mean and the standard deviation of some values. It
// goes over them twice: the difference of the mean square and the squared mean,
// both large and nearly the same, would leave little but rounding errors, and
// sometimes a negative number under the root. To divide the sum of the squares by
// how many there are, or by one less, is right both ways.
func meanAndDeviation(values []float64) (mean, dev float64) {
	return 0, 0
}

// Phi is how surprising the present silence is: -log10 of how likely it is, by
// a normal distribution with the mean (and Pause) and the deviation of the
// intervals, that a beat takes longer. It is at least 0, never NaN, and does not
// become smaller while the silence goes on.
func (d *Phi) Phi(now time.Time) float64 {
	return 0
}

// surprise is -log10 of how likely a standard normal variable is to be greater
// than z. erfc keeps its precision where 1-erf has none left, and underflows to 0
// where z is about 38; there its logarithm is computed from what it nears.
func surprise(z float64) float64 {
	return 0
}

// Check is Dead when the silence has lasted for DeadAfter, and before that
// Suspect when phi has reached the threshold. Time in which the observer was not
// there does not count, as in Timeout.
func (d *Phi) Check(now time.Time) State {
	return Unknown
}
