package labtest

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// PacketFault is something that a PacketNet does to datagrams on their way.
type PacketFault struct{ set func(*packetFaults) }

// packetFaults is everything that happens on a way from one participant to
// another.
type packetFaults struct {
	lose, double, hold float64 // how likely each is, 0 to 1
	held               time.Duration
	min, max           time.Duration
}

// random reports whether anything is left to chance.
func (f packetFaults) random() bool {
	return f.lose > 0 && f.lose < 1 || f.double > 0 || f.hold > 0 || f.max > f.min
}

// Lose loses datagrams, each with the given likelihood (0 to 1), whatever
// became of the others.
func Lose(likely float64) PacketFault {
	return PacketFault{func(f *packetFaults) { f.lose = likelihood("Lose", likely) }}
}

// Duplicate lets datagrams arrive twice, each with the given likelihood. The
// copy takes its own time.
func Duplicate(likely float64) PacketFault {
	return PacketFault{func(f *packetFaults) { f.double = likelihood("Duplicate", likely) }}
}

// Reorder holds datagrams back for a time, each with the given likelihood, so
// that later ones overtake them.
func Reorder(likely float64, held time.Duration) PacketFault {
	return PacketFault{func(f *packetFaults) { f.hold, f.held = likelihood("Reorder", likely), held }}
}

// Latency is how long a datagram is on its way: a time of min to max, each
// datagram its own, so that they may overtake one another when the two differ.
func Latency(min, max time.Duration) PacketFault {
	if min < 0 || max < min {
		panic(fmt.Sprintf("labtest: Latency(%v, %v): the times are not in order", min, max))
	}
	return PacketFault{func(f *packetFaults) { f.min, f.max = min, max }}
}

func likelihood(fault string, p float64) float64 {
	if p < 0 || p > 1 {
		panic(fmt.Sprintf("labtest: %s(%v): a likelihood is from 0 to 1", fault, p))
	}
	return p
}

// Passage is what becomes of one datagram: how long each of its copies is on
// its way. One that is lost has none.
type Passage []time.Duration

// A passagePlan gives the passages of the datagrams that go one way. It depends
// on the random source and on their number only: every datagram takes as many
// random numbers, whatever the faults are at that moment.
type passagePlan struct{ rand *rand.Rand }

func (p passagePlan) next(f packetFaults) Passage {
	var lose, double, hold, first, second float64
	if p.rand != nil {
		lose, double, hold = p.rand.Float64(), p.rand.Float64(), p.rand.Float64()
		first, second = p.rand.Float64(), p.rand.Float64()
	}
	if lose < f.lose {
		return nil
	}
	took := func(part float64) time.Duration { return f.min + time.Duration(part*float64(f.max-f.min)) }
	passage := Passage{took(first)}
	if hold < f.hold {
		passage[0] += f.held
	}
	if double < f.double {
		passage = append(passage, took(second))
	}
	return passage
}
