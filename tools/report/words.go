package report

import (
	"fmt"

	"workbook.example/tools/course"
	"workbook.example/tools/result"
)

// What a person reads of this package is in this file, to be proof-read and
// translated.
const (
	printed     = "it printed"
	leftOut     = "… %d lines left out …"
	moreBlocked = "%s for an earlier stage"
	hintOf      = "hint %d of %d"
	noHints     = "no hints"
	oneHolds    = "stage %d passes"
	oneFails    = "stage %d does not pass yet"
	oneWaits    = "stage %d waits for an earlier one"
	oneUnrun    = "stage %d cannot be run here"
	oneUnjudged = "stage %d could not be judged"
	legendWaits = "– not judged yet: needs an earlier stage"
	legendBoth  = "– not judged yet: needs an earlier stage, or cannot be run here"
	allPass     = "All %d stages pass."
	onePasses   = "Stage %d passes."
	notRunHere  = "%s cannot be run here: %s"
	remedyFor   = "To change that: %s"
	notIsolated = "The code ran without a network of its own: %s."
)

// plural counts things: "1 stage", "3 stages".
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func labTitle(r *result.Result) string { return fmt.Sprintf("Lab %d · %s", r.Lab.Number, r.Lab.Title) }

func title(r *result.Result) string {
	t := labTitle(r)
	switch r.Source.Kind {
	case "solution":
		t += " · the solution"
	case "bug":
		t += " · bug " + r.Source.Name
	case "folder":
		t += " · " + harmless(r.Source.Name)
	}
	return t
}

// score is how far somebody has come: of a single stage, what became of it.
func score(r *result.Result) string {
	if len(r.Stages) == 1 {
		return one(r.Stages[0])
	}
	return fmt.Sprintf("%d of %s", r.Passed(), plural(len(r.Stages), "stage"))
}

func one(s result.Stage) string {
	say := oneFails
	switch {
	case s.Verdict == result.Pass:
		say = oneHolds
	case s.Verdict == result.NotRun:
		say = oneUnrun
	case s.Verdict == result.Fault:
		say = oneUnjudged
	case s.Blocked():
		say = oneWaits
	}
	return fmt.Sprintf(say, s.ID)
}

func passing(stages []result.Stage) string {
	if len(stages) == 1 {
		return fmt.Sprintf(onePasses, stages[0].ID)
	}
	return fmt.Sprintf(allPass, len(stages))
}

func points(p result.Points) string {
	if p.CoreMax == 0 { // only extension stages were asked for
		return fmt.Sprintf("%d of %d extra", p.Extra, p.ExtraMax)
	}
	s := fmt.Sprintf("%d of %s", p.Core, plural(p.CoreMax, "point"))
	if p.ExtraMax > 0 {
		s += fmt.Sprintf(" + %d extra", p.Extra)
	}
	return s
}

func waits(n int) string {
	if n == 1 {
		return "1 more test waits"
	}
	return fmt.Sprintf("%d more tests wait", n)
}

// Next says what to do now that everything that was asked for passes.
func Next(c *course.Course, lab *course.Lab, r *result.Result) string {
	last := r.Stages[len(r.Stages)-1].ID
	if len(r.Stages) < len(lab.Stages) {
		if last < len(lab.Stages) {
			return fmt.Sprintf("make test-lab %d STAGE=%d", lab.Number, last+1)
		}
		return fmt.Sprintf("make test-lab %d", lab.Number)
	}
	for _, l := range c.Labs {
		if l.Number > lab.Number {
			return fmt.Sprintf("make test-lab %d", l.Number)
		}
	}
	return fmt.Sprintf("make run-lab %d   # try by hand what you have built", lab.Number)
}
