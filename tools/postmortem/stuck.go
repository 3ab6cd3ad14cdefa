package postmortem

import "slices"

// Stuck keeps the goroutines that may keep others waiting: those that wait for
// a lock, and those that wait to write, perhaps with a lock in their hands.
func (r Report) Stuck() Report {
	suspect := []string{explained("mutex").For, explained("rwmutex").For, explained("write").For}
	var stuck Report
	for _, g := range r.Goroutines {
		if slices.Contains(suspect, g.Doing.For) {
			stuck.Goroutines = append(stuck.Goroutines, g)
		}
	}
	return stuck
}
