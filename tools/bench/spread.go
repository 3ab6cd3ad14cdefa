package bench

import "slices"

// Spread is the median of repeated measurements with their range. With a
// handful of repeats on a shared machine a range is honest and a standard
// deviation is not.
type Spread struct {
	Median, Low, High float64
	N                 int
}

// SpreadOf returns the spread of values; they may be in any order.
func SpreadOf(values []float64) Spread {
	if len(values) == 0 {
		return Spread{}
	}
	s := slices.Sorted(slices.Values(values))
	n := len(s)
	return Spread{Median: (s[(n-1)/2] + s[n/2]) / 2, Low: s[0], High: s[n-1], N: n}
}

// Ratios divides pair by pair. Measurements of one round share whatever else
// the machine was doing, so their ratio is steadier than the ratio of medians.
func Ratios(ours, theirs []float64) []float64 {
	ratios := make([]float64, min(len(ours), len(theirs)))
	for i := range ratios {
		ratios[i] = ours[i] / theirs[i]
	}
	return ratios
}
