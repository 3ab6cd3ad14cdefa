package result

// verdicts from best to worst, as they are declared.
var severity = map[Verdict]int{Pass: 0, NotRun: 1, Fail: 2, Error: 3, Fault: 4}

// Worst is the verdict on the whole of which vs are the parts. Nothing at all
// is a fault: what was not judged did not pass.
func Worst(vs ...Verdict) Verdict {
	if len(vs) == 0 {
		return Fault
	}
	worst := Pass
	for _, v := range vs {
		if severity[v] > severity[worst] {
			worst = v
		}
	}
	return worst
}

// Judge is the verdict on a stage with these tests.
func Judge(tests []Test) Verdict {
	vs := make([]Verdict, len(tests))
	for i, t := range tests {
		vs[i] = t.Verdict
	}
	return Worst(vs...)
}

// Tally counts the points of stages. A stage earns all of its points or none.
func Tally(stages []Stage) Points {
	var p Points
	for _, s := range stages {
		earned := 0
		if s.Verdict == Pass {
			earned = s.Points
		}
		if s.Extension {
			p.Extra += earned
			p.ExtraMax += s.Points
		} else {
			p.Core += earned
			p.CoreMax += s.Points
		}
	}
	return p
}

// Blocked reports whether a stage could not be judged because an earlier one
// does not pass: every test that did not pass was stopped at its gate.
func (s Stage) Blocked() bool {
	blocked := false
	for _, t := range s.Tests {
		switch {
		case t.Verdict == Pass:
		case t.Failure != nil && t.Failure.Kind == KindGate:
			blocked = true
		default:
			return false
		}
	}
	return blocked
}

// Passed counts the stages that pass.
func (r Result) Passed() int {
	n := 0
	for _, s := range r.Stages {
		if s.Verdict == Pass {
			n++
		}
	}
	return n
}
