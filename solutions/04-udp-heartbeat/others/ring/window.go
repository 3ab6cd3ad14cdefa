package udpheartbeat

// WindowSize is how many numbers below the highest a Window still knows apart.
const WindowSize = 64

// A Verdict is what a Window says of a number.
type Verdict int

// The verdicts.
const (
	Fresh     Verdict = iota + 1 // higher than all before it
	Late                         // lower than the highest, and here for the first time
	Duplicate                    // here again
	Stale                        // too old to tell Late from Duplicate
)

// String is the verdict as it stands in a sentence.
func (v Verdict) String() string {
	switch v {
	case Fresh:
		return "fresh"
	case Late:
		return "late"
	case Duplicate:
		return "duplicate"
	case Stale:
		return "stale"
	}
	return "no verdict"
}

// Stats count what a Window has seen.
type Stats struct {
	Expected   uint64 // numbers from the lowest accepted to the highest, both included
	Received   uint64 // different numbers accepted: Fresh or Late
	Late       uint64
	Duplicates uint64
	Stale      uint64
}

// Lost is how many numbers have not come, so far.
func (s Stats) Lost() uint64 { return s.Expected - s.Received }

// Loss is the part that has not come, 0 to 1.
func (s Stats) Loss() float64 {
	if s.Expected == 0 {
		return 0
	}
	return float64(s.Lost()) / float64(s.Expected)
}

// A Window tells the numbers of a sender's datagrams apart: which are new, which
// come late, and which have been here before, as the anti-replay window of
// IPsec does (RFC 4303, 3.4.3). Its zero value is ready for any first number. It takes no
// memory, however many datagrams come.
type Window struct {
	started bool
	highest uint32
	seen    uint64 // bit seq%WindowSize is set when seq was accepted
	stats   Stats
}

// Stats are the counts so far.
func (w *Window) Stats() Stats { return w.stats }

// Accept says what the number seq is, and counts it.
//
// Numbers begin again after 2^32-1, so there is no greatest one. As in RFC 1982,
// a is higher than b when it takes fewer than 2^31 steps up to get from b to a.
// A number that is not higher than the highest is known apart if it is less than
// WindowSize below it; else it is Stale.
func (w *Window) Accept(seq uint32) Verdict {
	up := int32(seq - w.highest)
	switch {
	case !w.started:
		w.started, w.highest = true, seq
		w.stats.Expected = 1
		w.mark(seq)
		return Fresh
	case up > 0:
		for i := range min(up, WindowSize) {
			w.seen &^= bit(w.highest + 1 + uint32(i))
		}
		w.highest = seq
		w.stats.Expected += uint64(up)
		w.mark(seq)
		return Fresh
	case up <= -WindowSize:
		w.stats.Stale++
		return Stale
	case w.seen&bit(seq) != 0:
		w.stats.Duplicates++
		return Duplicate
	}
	w.mark(seq)
	w.stats.Expected = max(w.stats.Expected, uint64(-int64(up))+1) // it may be the lowest so far
	w.stats.Late++
	return Late
}

// mark notes that seq has been accepted. The bit of a number is the number
// modulo WindowSize: nothing is shifted, what leaves the window is cleared.
func (w *Window) mark(seq uint32) {
	w.seen |= bit(seq)
	w.stats.Received++
}

func bit(seq uint32) uint64 { return 1 << (seq % WindowSize) }
