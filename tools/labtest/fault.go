package labtest

import (
	"fmt"
	"math/rand/v2"
	"time"
)

// Direction is one of the two directions of a connection through a Proxy. The
// faults of a proxy are made from it: labtest.ToClient.Fragment(1, 7).
type Direction int

// The directions.
const (
	ToServer Direction = iota
	ToClient
)

// Fault is something that a Proxy does to the bytes of one direction.
type Fault struct {
	dir Direction
	set func(*faults)
}

// faults is everything that happens in one direction of a connection.
type faults struct {
	minPiece, maxPiece int
	minDelay, maxDelay time.Duration
	window             time.Duration
	bandwidth          int   // bytes a second; 0 is no limit
	limit              int64 // bytes after which then happens; negative for never
	then               breakage
}

// random reports whether anything is left to chance.
func (f faults) random() bool { return f.maxPiece > f.minPiece || f.maxDelay > f.minDelay }

type breakage int

const (
	stall breakage = iota + 1
	cut
	reset
)

// Fragment passes bytes on in pieces of min to max bytes, each in a Write of
// its own.
func (d Direction) Fragment(min, max int) Fault {
	if min < 1 || max < min {
		panic(fmt.Sprintf("labtest: Fragment(%d, %d): pieces have at least one byte", min, max))
	}
	return Fault{d, func(f *faults) { f.minPiece, f.maxPiece = min, max }}
}

// Coalesce keeps bytes back for a while, and passes on in one Write what has
// come in that time.
func (d Direction) Coalesce(window time.Duration) Fault {
	return Fault{d, func(f *faults) { f.window = window }}
}

// Delay waits for a time of min to max before each piece; without Fragment,
// before each read's worth of bytes. Order is kept.
func (d Direction) Delay(min, max time.Duration) Fault {
	if min < 0 || max < min {
		panic(fmt.Sprintf("labtest: Delay(%v, %v): the times are not in order", min, max))
	}
	return Fault{d, func(f *faults) { f.minDelay, f.maxDelay = min, max }}
}

// Bandwidth passes on no more than so many bytes a second.
func (d Direction) Bandwidth(bytesPerSecond int) Fault {
	if bytesPerSecond < 1 {
		panic(fmt.Sprintf("labtest: Bandwidth(%d): nothing would ever pass", bytesPerSecond))
	}
	return Fault{d, func(f *faults) { f.bandwidth = bytesPerSecond }}
}

// transmission is how long size bytes take at a rate in bytes a second.
func transmission(size, rate int) time.Duration {
	return time.Duration(float64(size) / float64(rate) * float64(time.Second))
}

// allFaults are the faults of both directions.
func allFaults(list []Fault) (all [2]faults) {
	for d := range all {
		all[d].limit = -1
	}
	for _, f := range list {
		f.set(&all[f.dir])
	}
	return all
}

// StallAfter passes on n bytes of each connection and then nothing more, while
// the connection stays open.
func (d Direction) StallAfter(n int64) Fault { return d.after(n, stall) }

// CutAfter passes on exactly n bytes of each connection and then ends it in
// both directions, in good order (FIN).
func (d Direction) CutAfter(n int64) Fault { return d.after(n, cut) }

// ResetAfter passes on n bytes of each connection and then resets it on both
// sides (RST). A receiver that has not read them by then may lose some of the
// n bytes: a reset overtakes what is on its way.
func (d Direction) ResetAfter(n int64) Fault { return d.after(n, reset) }

func (d Direction) after(n int64, then breakage) Fault {
	return Fault{d, func(f *faults) { f.limit, f.then = n, then }}
}

// Piece is a step in what a Proxy does to a direction of a connection.
type Piece struct {
	Delay time.Duration // waited before it
	Bytes int           // as many go in one Write, fewer if fewer have come; 0 for as many as have come
}

// A plan gives the pieces of one direction of one connection. It depends on the
// random source only, never on how the bytes come in.
type plan struct {
	faults faults
	rand   *rand.Rand
}

func (p plan) next() Piece {
	piece := Piece{Delay: p.faults.minDelay}
	if spread := p.faults.maxDelay - p.faults.minDelay; spread > 0 {
		piece.Delay += time.Duration(p.rand.Int64N(int64(spread) + 1))
	}
	if p.faults.maxPiece > 0 {
		piece.Bytes = p.faults.minPiece
		if spread := p.faults.maxPiece - p.faults.minPiece; spread > 0 {
			piece.Bytes += p.rand.IntN(spread + 1)
		}
	}
	return piece
}
