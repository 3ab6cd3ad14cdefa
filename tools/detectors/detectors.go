// Package detectors makes a table and a picture of what the failure detectors
// of lab 4 were measured to do: how soon they find a crash, and how often they
// suspect somebody who has not crashed.
package detectors

import (
	"fmt"
	"slices"
	"strings"

	"workbook.example/tools/bench"
)

// Figures are what one detector did on one network.
type Figures struct {
	Detector string
	Network  string  // how restless it is: "calm", "restless"
	Loss     float64 // of all datagrams, in percent

	P50, P99 float64 // ms from a crash until it is suspected
	DeadP99  float64 // ms from a crash until it is called dead
	Mistakes float64 // a day: suspected and alive
	Deaths   float64 // a day: called dead and alive
}

// Benchmark is the name of the benchmark whose rows FromRows reads.
const Benchmark = "Detection"

// FromRows reads the rows of the benchmark: those named
// Detection/DETECTOR/NETWORK/loss=20%. Of several rounds it takes the median.
func FromRows(rows []bench.Row) ([]Figures, error) {
	var all []Figures
	for _, row := range rows {
		parts := strings.Split(row.Benchmark, "/")
		if len(parts) != 4 || parts[0] != Benchmark {
			continue
		}
		f := Figures{Detector: parts[1], Network: parts[2]}
		if _, err := fmt.Sscanf(parts[3], "loss=%g%%", &f.Loss); err != nil {
			return nil, fmt.Errorf("benchmark %s: a loss was expected at its end: %w", row.Benchmark, err)
		}
		i := slices.IndexFunc(all, f.sameCase)
		if i < 0 {
			i = len(all)
			all = append(all, f)
		}
		value := bench.SpreadOf(row.Yours).Median
		switch row.Unit {
		case "p50-ms":
			all[i].P50 = value
		case "p99-ms":
			all[i].P99 = value
		case "dead-p99-ms":
			all[i].DeadP99 = value
		case "mistakes/day":
			all[i].Mistakes = value
		case "deaths/day":
			all[i].Deaths = value
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("no benchmark %s/… gave a result", Benchmark)
	}
	return all, nil
}

func (f Figures) sameCase(g Figures) bool {
	return f.Detector == g.Detector && f.Network == g.Network && f.Loss == g.Loss
}

// names are the values of a field, each once, in the order in which they come.
func names(all []Figures, field func(Figures) string) (names []string) {
	for _, f := range all {
		if !slices.Contains(names, field(f)) {
			names = append(names, field(f))
		}
	}
	return names
}
