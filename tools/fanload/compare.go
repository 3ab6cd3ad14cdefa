package fanload

import (
	"context"
	"fmt"
	"runtime"
	"strings"

	"workbook.example/tools/bench"
)

// Entry is one server under one load in a comparison.
type Entry struct {
	Label  string
	Server Server
	Load   Load
	Runs   []Run // one a round
}

// Rates returns the deliveries per second of each round.
func (e Entry) Rates() []float64 {
	rates := make([]float64, len(e.Runs))
	for i, r := range e.Runs {
		rates[i] = r.Rate()
	}
	return rates
}

// Comparison is several servers under the same load, in rounds.
type Comparison struct {
	Load    Load
	Rounds  int
	Machine string

	Ours    Entry
	Stopped Entry   // ours, with one client more that does not read
	Peers   []Entry // other people's servers
	Ceiling Entry   // what the load program can do at most
	Missing []error // peers that could not be measured, and why
}

// Compare measures ours, ours with a stopped reader, the peers and the
// ceiling in interleaved rounds. Each round begins with another server, so
// that none always has the warmer machine. progress is told what is running.
// The first run that is not correct ends the comparison with its error.
func Compare(ctx context.Context, ours, ceiling Server, peers []Server, load Load, rounds int, progress func(string)) (*Comparison, error) {
	load = load.withDefaults()
	stopped := load
	stopped.Stopped = 1
	c := &Comparison{
		Load:    load,
		Rounds:  rounds,
		Machine: fmt.Sprintf("%d cores shared by server and load, %s/%s, %s", runtime.NumCPU(), runtime.GOOS, runtime.GOARCH, runtime.Version()),
		Ours:    Entry{Label: label(ours), Server: ours, Load: load},
		Stopped: Entry{Label: ours.Name + ", one reader more, stopped", Server: ours, Load: stopped},
		Ceiling: Entry{Label: label(ceiling), Server: ceiling, Load: load},
	}
	for _, p := range peers {
		c.Peers = append(c.Peers, Entry{Label: label(p), Server: p, Load: load})
	}
	entries := []*Entry{&c.Ours, &c.Stopped}
	for i := range c.Peers {
		entries = append(entries, &c.Peers[i])
	}
	entries = append(entries, &c.Ceiling)

	for round := range rounds {
		for i := range entries {
			e := entries[(i+round)%len(entries)]
			progress(fmt.Sprintf("round %d of %d: %s", round+1, rounds, e.Label))
			run, err := e.once(ctx)
			if err != nil {
				return nil, fmt.Errorf("%s, round %d: %w", e.Label, round+1, err)
			}
			e.Runs = append(e.Runs, run)
		}
	}
	return c, nil
}

func (e *Entry) once(ctx context.Context) (Run, error) {
	server, err := e.Server.Start(ctx)
	if err != nil {
		return Run{}, err
	}
	run, err := Do(ctx, e.Server.Protocol, server.Addr, e.Load)
	said := server.Stop()
	if err != nil {
		return Run{}, fmt.Errorf("%w\nThe server's last words:\n%s", err, lastLines(said, 10))
	}
	return run, nil
}

func lastLines(text string, n int) string {
	lines := strings.Split(text, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func label(s Server) string {
	if s.Version == "" {
		return s.Name
	}
	return s.Name + " " + s.Version
}

// Ratio is how many times as much ours delivers as the peer.
func (c *Comparison) Ratio(peer Entry) bench.Spread {
	return bench.SpreadOf(bench.Ratios(c.Ours.Rates(), peer.Rates()))
}

// Cost is what part of their deliveries one stopped reader costs the others,
// below zero if they got more.
func (c *Comparison) Cost() bench.Spread {
	kept := bench.Ratios(c.Stopped.Rates(), c.Ours.Rates())
	for i := range kept {
		kept[i] = 1 - kept[i]
	}
	return bench.SpreadOf(kept)
}
