package verify

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"

	"workbook.example/tools/result"
)

// Report is what verifying one lab came to.
type Report struct {
	Lab             result.Lab `json:"lab"`
	Stages          int        `json:"stages"`
	Tests           int        `json:"tests"`
	Bugs            int        `json:"bugs"`
	Caught          int        `json:"caught"`            // bugs that were caught as their headers say
	NotTried        int        `json:"not_tried"`         // bugs that this machine cannot exercise
	Findings        []Finding  `json:"findings"`          // what is wrong; never null
	NotRun          []string   `json:"not_run,omitempty"` // what this machine cannot exercise, and why
	Race            bool       `json:"race"`              // whether the race detector watched the solution
	StubsSeconds    float64    `json:"stubs_seconds"`     // from the command to red, built before
	SolutionSeconds float64    `json:"solution_seconds"`
	Seconds         float64    `json:"seconds"`

	Proofs []Proof `json:"proofs"` // the bugs that were run

	mu sync.Mutex // bugs are proven in parallel
}

// Finding is one thing that is wrong with a lab.
type Finding struct {
	Where string `json:"where"` // "stubs", "solution", "bug slow-reader", or a file
	Says  string `json:"says"`
	More  string `json:"more,omitempty"` // quoted: what a test or the compiler said
}

// Proof is the run of one bug.
type Proof struct {
	Bug     string  `json:"bug"`
	Stage   int     `json:"stage"`
	Caught  bool    `json:"caught"` // as its header says
	Tries   int     `json:"tries"`  // how often its test was run; more than one means that it got away
	Seconds float64 `json:"seconds"`
}

// OK reports whether the lab is proven, as far as this machine can.
func (r *Report) OK() bool { return len(r.Findings) == 0 && r.missed() == 0 }

// missed is how many bugs should have been caught as their headers say and
// were not.
func (r *Report) missed() int { return r.Bugs - r.Caught - r.NotTried }

func (r *Report) find(where, format string, args ...any) {
	r.findWith("", where, format, args...)
}

func (r *Report) findWith(more, where, format string, args ...any) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.Findings = append(r.Findings, Finding{Where: where, Says: fmt.Sprintf(format, args...), More: strings.TrimSpace(more)})
}

// String is the line that says it all.
func (r *Report) String() string {
	line := fmt.Sprintf("lab %d: %s, %s, %s, ", r.Lab.Number,
		count(r.Stages, "stage"), count(r.Tests, "test"), count(r.Bugs, "bug"))
	switch {
	case r.missed() > 0:
		line += fmt.Sprintf("%d not caught", r.missed())
	case r.NotTried > 0:
		line += fmt.Sprintf("%d caught, %d not exercised here", r.Caught, r.NotTried)
	default:
		line += "all caught"
	}
	if n := len(r.Findings); n > 0 {
		line += fmt.Sprintf("; %s above", count(n, "finding"))
	}
	return line
}

// Write prints the findings and then the line of String.
func (r *Report) Write(w io.Writer) error {
	for i, f := range r.Findings {
		if i == 0 || f.Where != r.Findings[i-1].Where {
			fmt.Fprintf(w, "%s\n", f.Where)
		}
		fmt.Fprintf(w, "  ✗ %s\n", f.Says)
		for line := range strings.Lines(f.More) {
			fmt.Fprintf(w, "      │ %s\n", strings.TrimRight(line, "\n"))
		}
	}
	for _, p := range r.Proofs {
		if p.Caught && p.Tries > 1 {
			fmt.Fprintf(w, "  ! bug %s got away at first, and was caught at try %d\n", p.Bug, p.Tries)
		}
	}
	for _, s := range r.NotRun {
		fmt.Fprintf(w, "  – not exercised here: %s\n", s)
	}
	_, err := fmt.Fprintln(w, r)
	return err
}

// JSON writes reports for programs, as an array.
func JSON(w io.Writer, reports []*Report) error {
	out := json.NewEncoder(w)
	out.SetEscapeHTML(false)
	out.SetIndent("", "  ")
	return out.Encode(reports)
}

// sort puts the findings into an order that does not depend on which bug was
// ready first.
func (r *Report) sort() {
	slices.SortStableFunc(r.Findings, func(a, b Finding) int {
		return cmp.Compare(a.Where, b.Where)
	})
	slices.Sort(r.NotRun)
	slices.SortFunc(r.Proofs, func(a, b Proof) int { return cmp.Compare(a.Bug, b.Bug) })
}

func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
