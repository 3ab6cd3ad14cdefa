package udpheartbeat_test

import (
	"testing"
	"time"
	"unsafe"

	heartbeat "workbook.example/labs/04-udp-heartbeat"
	"workbook.example/tools/labtest"
)

const (
	alive   = heartbeat.Alive
	suspect = heartbeat.Suspect
	dead    = heartbeat.Dead
)

// A watch leads a detector through time.
type watch struct {
	t       *labtest.T
	d       heartbeat.Detector
	began   time.Time
	now     time.Time
	clock   time.Duration // by how much the clock on the wall has been set
	changes []heartbeat.State
	state   heartbeat.State
	story   string // what it has been through
}

// look is how often detectors are asked.
const look = 10 * time.Millisecond

func newWatch(t *labtest.T, story string, make func(now time.Time) heartbeat.Detector) *watch {
	now := time.Now()
	return &watch{t: t, d: make(now), began: now, now: now, state: alive, story: story}
}

// timeout is a Timeout of 950 ms and 3 s.
func timeout(t *labtest.T, story string, recover int) *watch {
	return newWatch(t, story, func(now time.Time) heartbeat.Detector {
		return heartbeat.NewTimeout(heartbeat.TimeoutConfig{SuspectAfter: ms(950), DeadAfter: ms(3000), Recover: recover}, now)
	})
}

// at is the present time, as a machine gives it whose clock has been set.
func (w *watch) at() time.Time { return setClock(w.now, w.clock) }

// setClock is t as time.Now would give it if the clock on the wall went d ahead:
// its monotonic reading is the same.
func setClock(t time.Time, d time.Duration) time.Time {
	const nanoBits = 30 // package time: a hasMonotonic bit, 33 bits of seconds, 30 of nanoseconds
	wall := (*uint64)(unsafe.Pointer(&t))
	*wall = uint64(int64(*wall) + int64(d/time.Second)<<nanoBits)
	return t
}

// beat lets a beat come.
func (w *watch) beat() { w.d.Heartbeat(w.at()) }

// beats lets so many beats come, 100 ms from one to the next, and looks.
func (w *watch) beats(n int) {
	for range n {
		w.pass(ms(100))
		w.beat()
	}
}

// pass lets time pass, and looks all the while.
func (w *watch) pass(d time.Duration) {
	step := look
	if d > time.Minute {
		step = 20 * look
	}
	for end := w.now.Add(d); w.now.Before(end); {
		w.now = w.now.Add(min(step, end.Sub(w.now)))
		w.look()
	}
}

func (w *watch) look() heartbeat.State {
	if s := w.d.Check(w.at()); s != w.state {
		w.state = s
		w.changes = append(w.changes, s)
	}
	return w.state
}

// until lets time pass until the state is what is wanted, at most an hour, and
// returns how long that took.
func (w *watch) until(want heartbeat.State) time.Duration {
	began := w.now
	for w.state != want && w.now.Sub(began) < time.Hour {
		w.pass(look)
	}
	return w.now.Sub(began)
}

// is breaks the law if the state is not what is wanted.
func (w *watch) is(want heartbeat.State, when string) {
	w.t.Helper()
	if got := w.look(); got != want {
		w.t.Broken("%s %s it is %v; expected %v.", w.story, when, got, want)
	}
}

// never breaks the law if the state was another one than alive.
func (w *watch) never() {
	w.t.Helper()
	if len(w.changes) > 0 {
		w.t.Broken("%s It was called %s; expected alive, all the time.", w.story, list(w.changes))
	}
}

func TestSilenceIsSuspectThenDead(tt *testing.T) {
	t := labtest.Begin(tt)
	w := timeout(t, "After 10 beats there was silence.", 1)
	w.beats(10)
	w.pass(ms(949))
	w.is(alive, "949 ms after the last beat")
	w.pass(ms(1))
	w.is(suspect, "950 ms after the last beat, which is SuspectAfter,")
	w.pass(ms(2049))
	w.is(suspect, "2999 ms after the last beat")
	w.pass(ms(1))
	w.is(dead, "3000 ms after the last beat, which is DeadAfter,")
	w.pass(time.Hour)
	w.is(dead, "an hour later")
}

func TestNewcomerHasItsTime(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(5)
	w := timeout(t, "A sender was expected and never beat.", 1)
	w.pass(ms(940))
	w.is(alive, "940 ms after the beginning")
	w.pass(ms(10))
	w.is(suspect, "950 ms after the beginning")
}

func TestBeatsKeepItAlive(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(5)
	w := timeout(t, "It beat every 940 ms where 950 is too long, for ten minutes.", 3)
	for range 640 {
		w.pass(ms(940))
		w.beat()
	}
	w.never()
}

func TestSuspectMustProveItself(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(5)
	w := timeout(t, "Where 3 beats in a row are asked for, it was silent for a second.", 3)
	w.beats(10)
	w.pass(time.Second)
	w.is(suspect, "Then")
	w.beats(1)
	w.is(suspect, "After one beat")
	w.beats(1)
	w.is(suspect, "After two beats")
	w.beats(1)
	w.is(alive, "After three beats")
	// A link that lets a beat through every two seconds.
	w = timeout(t, "Where 3 beats in a row are asked for, one came every two seconds.", 3)
	for range 100 {
		w.pass(2 * time.Second)
		w.beat()
	}
	if len(w.changes) != 1 || w.changes[0] != suspect {
		t.Broken("%s It became %s; expected suspect, once.", w.story, list(w.changes))
	}
}

func TestGapBeginsTheProofAnew(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(5)
	w := timeout(t, "Where 3 beats in a row are asked for, a suspect beat twice, was silent for a second,", 3)
	w.beats(10)
	w.pass(time.Second)
	w.beats(2)
	w.pass(time.Second)
	w.beat()
	w.is(suspect, "and beat once more:")
	w.beats(2)
	w.is(alive, "and beat three times more:")
	// Nor do beats count that a suspect sent before it was last suspected.
	w = timeout(t, "Where 3 beats in a row are asked for, it was suspected, came back, and was suspected again.", 3)
	w.pass(time.Second)
	w.beats(20)
	w.pass(time.Second)
	w.beat()
	w.is(suspect, "After one beat")
}

func TestDeadMayComeBack(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(5)
	w := timeout(t, "Where 2 beats in a row are asked for, it was dead for an hour.", 2)
	w.beats(10)
	w.pass(time.Hour)
	w.is(dead, "Then")
	w.beats(1)
	w.is(dead, "After one beat")
	w.beats(1)
	w.is(alive, "After two beats")
	w.pass(ms(950))
	w.is(suspect, "950 ms after the last of them")
	w.pass(ms(2050))
	w.is(dead, "3 s after the last of them")
}

func TestClockOnTheWallMayBeSet(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(5)
	for by, words := range map[time.Duration]string{time.Hour: "an hour ahead", -time.Hour: "an hour back"} {
		w := timeout(t, "Between two beats somebody set the clock "+words+".", 1)
		w.beats(10)
		w.clock = by
		w.pass(ms(50))
		w.beats(10)
		w.never()
		if took := w.until(suspect); took != ms(950) {
			t.Broken("%s When the beats stopped it was suspected after %v; expected 950ms.", w.story, took)
		}
	}
}

func TestObserverWhoSleptAccusesNobody(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(5)
	for _, slept := range []time.Duration{ms(1000), time.Minute, 10 * time.Hour} {
		w := timeout(t, "The observer's machine was suspended for "+slept.String()+", and then went on to look.", 1)
		w.beats(10)
		w.pass(ms(50))
		w.now = w.now.Add(slept)
		w.look()
		w.pass(ms(40))
		w.beats(10)
		w.never()
		// And as before, when somebody is really gone.
		if took := w.until(suspect); took != ms(950) {
			t.Broken("%s When the beats stopped after that, it was suspected after %v; expected 950ms.", w.story, took)
		}
	}
	w := timeout(t, "It had been silent for 600 ms when the observer's machine was suspended for a minute.", 1)
	w.beats(10)
	w.pass(ms(600))
	w.now = w.now.Add(time.Minute)
	w.look()
	w.pass(ms(340))
	w.is(alive, "340 ms after that, 940 ms of silence that was listened to,")
	if took := w.until(suspect); took > ms(950) {
		t.Broken("%s It was still called alive %v later.", w.story, ms(340)+took)
	}
	w = timeout(t, "A peer was dead when the observer's machine was suspended for a minute.", 1)
	w.beats(10)
	w.pass(time.Hour)
	w.now = w.now.Add(time.Minute)
	w.is(dead, "After that")
}

func TestTimeoutIsChosenByTheLoss(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, c := range []struct {
		interval       time.Duration
		loss, mistakes float64
		losses         int
	}{
		{ms(100), 0.2, 1, 9}, {ms(100), 0.5, 1, 19}, {time.Second, 0.01, 1, 3}, {ms(100), 0.2, 1000, 5},
		{ms(100), 0, 1, 1}, {time.Second, 0.2, 0.01, 10}, {ms(100), 0.9, 1, 108},
	} {
		want := time.Duration(c.losses)*c.interval + c.interval/4
		if got := heartbeat.SuspectAfter(c.interval, c.loss, c.mistakes); (got - want).Abs() > time.Millisecond {
			t.Broken("For a beat every %v, of which %.0f %% are lost, and at most %v mistakes a day, SuspectAfter is %v; expected %v: %d in a row must not be lost so often.", c.interval, 100*c.loss, c.mistakes, got, want, c.losses)
		}
	}
}

func TestTimeoutFindsCrashesAndIsSeldomWrong(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(5)
	after := heartbeat.SuspectAfter(ms(100), 0.2, 1)
	if after <= 0 {
		t.Broken("SuspectAfter, for a beat every 100 ms of which 20 %% are lost and one mistake a day, is %v.", after)
	}
	got := observed(timeoutFor(after), 0.2, calm, 1, 200)
	if got.mistakes > 1 {
		t.Broken("In a simulated day of beats every 100 ms, of which 20 %% were lost, somebody who was alive was suspected %d times; expected once at most.", got.mistakes)
	}
	if p99 := got.quantile(0.99); p99 > time.Second {
		t.Broken("Of 200 crashes under 20 %% loss one in a hundred was found only after %v or more; expected 1 s at most.", p99)
	}
}
