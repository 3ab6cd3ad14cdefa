package postmortem

import "slices"

// Stuck keeps the goroutines that may keep others waiting: those that wait for
// a lock or for somebody who receives, or that wait to write, perhaps with a
// lock in their hands. What a server waits for all day (to accept, to read, to
// receive) says nothing.
func (r Report) Stuck() Report {
	var suspect []Doing
	for _, why := range []string{"nil receive", "nil send", "no cases", "mutex", "rwmutex", "send", "pipe write", "write"} {
		suspect = append(suspect, explained(why))
	}
	var stuck Report
	for _, g := range r.Goroutines {
		if slices.ContainsFunc(suspect, func(d Doing) bool { return d.Verb == g.Doing.Verb && d.For == g.Doing.For }) {
			stuck.Goroutines = append(stuck.Goroutines, g)
		}
	}
	return stuck
}
