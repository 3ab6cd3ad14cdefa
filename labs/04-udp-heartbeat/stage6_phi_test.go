package udpheartbeat_test

import (
	"math"
	"testing"
	"time"

	heartbeat "workbook.example/labs/04-udp-heartbeat"
	"workbook.example/tools/labtest"
)

// phi is a Phi with little of its own opinion, unless configure gives it some.
func phi(t *labtest.T, story string, configure ...func(*heartbeat.PhiConfig)) (*watch, *heartbeat.Phi) {
	cfg := heartbeat.PhiConfig{Interval: ms(100), DeadAfter: time.Hour, MinDeviation: time.Millisecond, Stall: 10 * time.Hour}
	for _, set := range configure {
		set(&cfg)
	}
	w := newWatch(t, story, func(now time.Time) heartbeat.Detector { return heartbeat.NewPhi(cfg, now) })
	return w, w.d.(*heartbeat.Phi)
}

// after lets a beat come after each of some times, over and over, n beats in all.
func (w *watch) after(n int, times ...time.Duration) {
	for i := range n {
		w.now = w.now.Add(times[i%len(times)])
		w.beat()
	}
}

// suspectedAfter is how long after the last beat it is suspect: 10 s if it is not
// by then.
func (w *watch) suspectedAfter() time.Duration {
	began := w.now
	for w.look(); w.state != suspect && w.now.Sub(began) < 10*time.Second; w.look() {
		w.now = w.now.Add(time.Millisecond)
	}
	return w.now.Sub(began)
}

// phiAfter is the phi of a silence.
func phiAfter(w *watch, p *heartbeat.Phi, silence time.Duration) float64 {
	return p.Phi(w.now.Add(silence))
}

func TestPhiFollowsTheDeviation(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, c := range []struct{ deviation, want int }{{10, 156}, {50, 381}, {100, 661}} {
		w, _ := phi(t, "")
		w.after(200, ms(100-c.deviation), ms(100+c.deviation))
		if got := w.suspectedAfter(); (got - ms(c.want)).Abs() > ms(4) {
			t.Broken("Beats came every 100 ms on average, with a standard deviation of %d ms. With phi 8 the sender is suspect after %v of silence; expected %v.", c.deviation, got, ms(c.want))
		}
	}
}

func TestPhiGrowsWithTheSilence(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(6)
	for _, times := range [][]time.Duration{{ms(100)}, {ms(90), ms(110)}, {ms(1), ms(199)}, {time.Hour - time.Second, time.Second}} {
		w, p := phi(t, "")
		w.after(100, times...)
		last := 0.0
		for silence := time.Duration(0); silence < 10*time.Hour; silence += max(time.Millisecond, silence/500) {
			got := phiAfter(w, p, silence)
			if math.IsNaN(got) || got < last {
				t.Broken("Beats came after %s, in turn. After a silence of %v phi is %v; just before it was %v.", list(times), silence, got, last)
			}
			last = got
		}
		if last < 50 {
			t.Broken("Beats came after %s, in turn, and after ten hours of silence phi is %v; expected more than 50.", list(times), last)
		}
	}

	// Nothing divided by nothing: no deviation, and a silence of just the mean.
	w, p := phi(t, "", func(cfg *heartbeat.PhiConfig) { cfg.MinDeviation = 0 })
	w.after(2, ms(100))
	if got := phiAfter(w, p, ms(100)); math.IsNaN(got) || got < 0 {
		t.Broken("MinDeviation is 0, and two beats came, each after exactly 100 ms. After a silence of exactly 100 ms phi is %v; expected a number that is at least 0.", got)
	}
}

func TestPhiIsALikelihood(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(6)
	w, p := phi(t, "")
	w.after(200, ms(90), ms(110)) // mean 100, deviation 10
	for _, c := range []struct {
		silence int
		want    float64
	}{
		{0, 0}, {100, 0.301}, {110, 0.799}, {120, 1.643}, {130, 2.87}, {150, 6.543}, {200, 23.12}, {300, 88.56}, {400, 197.3},
	} {
		got := phiAfter(w, p, ms(c.silence))
		if math.IsNaN(got) || math.Abs(got-c.want) > 0.02*c.want+0.005 {
			t.Broken("The mean is 100 ms and the deviation 10 ms. After %d ms of silence phi is %.4g; expected %.4g, for a beat takes longer in one of 10^%.4g cases.", c.silence, got, c.want, c.want)
		}
	}
}

func TestRegularBeatsAreNotTrustedTooFar(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(6)
	w, _ := phi(t, "", func(c *heartbeat.PhiConfig) { c.MinDeviation = ms(20) })
	w.after(300, ms(100))
	if got := w.suspectedAfter(); (got - ms(212)).Abs() > ms(3) {
		t.Broken("Every beat came 100 ms after the last, exactly, and the least deviation to be believed is 20 ms. The sender is suspect after %v of silence; expected 212ms.", got)
	}
	// Where nothing is the least, beats that come exactly so are still no reason
	// for nonsense: sums of large squares leave rounding errors.
	for _, every := range []time.Duration{ms(100), 3*time.Hour + 7, 24*time.Hour + 12_345_679} {
		w, p := phi(t, "", func(c *heartbeat.PhiConfig) { c.MinDeviation = 1; c.DeadAfter = 1000 * time.Hour })
		w.after(300, every)
		before, after := phiAfter(w, p, every-every/1000), phiAfter(w, p, every+every/1000)
		if math.IsNaN(before) || math.IsNaN(after) || before > 1 || after < 8 {
			t.Broken("Every beat came %v after the last, exactly. A thousandth earlier than that phi is %v, and a thousandth later %v; expected next to nothing, and a lot.", every, before, after)
		}
	}
}

func TestPhiForgets(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(6)
	w, _ := phi(t, "", func(c *heartbeat.PhiConfig) { c.Samples = 50 })
	w.after(500, ms(1000), ms(3000))
	w.after(51, ms(90), ms(110))
	if got := w.suspectedAfter(); (got - ms(156)).Abs() > ms(4) {
		t.Broken("Where the last 50 intervals count, 500 long ones were followed by 51 of 90 and 110 ms. The sender is suspect after %v of silence; expected 156ms.", got)
	}
	w, _ = phi(t, "", func(c *heartbeat.PhiConfig) { c.Samples = 50 })
	w.after(500, ms(90), ms(110))
	w.after(10, ms(400))
	if got := w.suspectedAfter(); got < ms(700) {
		t.Broken("Where the last 50 intervals count, 40 of about 100 ms were followed by 10 of 400 ms. The sender is suspect after %v of silence; expected 831ms.", got)
	}
}

func TestFirstBeatsUseTheInterval(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(6)
	for beats, words := range []string{"no beat", "one beat"} {
		w, _ := phi(t, "")
		w.after(beats, ms(1))
		if got := w.suspectedAfter(); (got - ms(240)).Abs() > ms(3) {
			t.Broken("After %s the mean is taken to be Interval, 100 ms, and the deviation a quarter of it. The sender is suspect after %v of silence; expected 240ms.", words, got)
		}
	}
}

func TestPauseIsNoSurprise(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(6)
	w, _ := phi(t, "", func(c *heartbeat.PhiConfig) { c.Pause = ms(500) })
	w.after(200, ms(90), ms(110))
	if got := w.suspectedAfter(); (got - ms(656)).Abs() > ms(4) {
		t.Broken("The mean is 100 ms, the deviation 10 ms, and Pause 500 ms. The sender is suspect after %v of silence; expected 656ms.", got)
	}
}

func TestThresholdIsTheUsers(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(6)
	for threshold, want := range map[float64]int{1: 113, 3: 131, 12: 170} {
		w, _ := phi(t, "", func(c *heartbeat.PhiConfig) { c.Threshold = threshold })
		w.after(200, ms(90), ms(110))
		if got := w.suspectedAfter(); (got - ms(want)).Abs() > ms(3) {
			t.Broken("The mean is 100 ms, the deviation 10 ms. With the threshold %v the sender is suspect after %v of silence; expected %v.", threshold, got, ms(want))
		}
	}
}

func TestDeathIsNoInterval(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(6)
	w, _ := phi(t, "It beat every 90 and 110 ms, was dead for an hour, and beat again.", func(c *heartbeat.PhiConfig) { c.DeadAfter = 5 * time.Second })
	w.after(200, ms(90), ms(110))
	w.now = w.now.Add(ms(4999))
	w.is(suspect, "After 4.999 s, 1 ms before DeadAfter,")
	w.now = w.now.Add(ms(1))
	w.is(dead, "After 5 s, which is DeadAfter,")
	w.now = w.now.Add(time.Hour)
	w.beat()
	w.is(alive, "After that beat")
	w.after(20, ms(90), ms(110))
	if got := w.suspectedAfter(); got > ms(200) {
		t.Broken("%s It is suspect after %v of silence; expected 156ms, as before: an hour is not the time between two beats.", w.story, got)
	}
}

func TestPhiIgnoresTheClockOnTheWall(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(6)
	w, p := phi(t, "")
	w.after(200, ms(90), ms(110))
	w.clock = time.Hour
	if got := p.Phi(w.at()); got > 1 {
		t.Broken("Right after a beat somebody set the clock an hour ahead, and phi is %v; expected 0.", got)
	}
	w.clock = -time.Hour
	w.now = w.now.Add(ms(300))
	if got := p.Phi(w.at()); got < 8 {
		t.Broken("Right after a beat somebody set the clock an hour back, and after 300 ms of silence phi is %v; expected more than 8.", got)
	}
}

func TestPhiFindsCrashesAndIsSeldomWrong(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(6)
	got := observed(phiFor(ms(450)), 0.2, calm, 0.125, 200)
	if got.mistakes > 1 {
		t.Broken("With phi 8 and a Pause of 450 ms, in three simulated hours of beats every 100 ms, of which 20 %% were lost, somebody who was alive was suspected %d times; expected once at most.", got.mistakes)
	}
	if p99 := got.quantile(0.99); p99 > 1200*time.Millisecond {
		t.Broken("With phi 8 and a Pause of 450 ms, of 200 crashes under 20 %% loss one in a hundred was found only after %v or more; expected 1.2 s at most.", p99)
	}
}
