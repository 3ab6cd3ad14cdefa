// Package postmortem reads what the Go runtime prints about a program in
// trouble (a dump of its goroutines, a panic, a report of the race detector)
// and keeps what a learner needs: which goroutine of the learner's own code
// waits where, and for what.
package postmortem

import (
	"bytes"
	"cmp"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/maruel/panicparse/v2/stack"
)

// Scope says which code is judged and how its files are called.
type Scope struct {
	// Package is the import path of the judged code. Packages below it belong
	// to it, its external tests do not. Empty, all code is judged.
	Package string
	// Short makes the path of a file as short as a reader wants it. Nil leaves
	// the file's base name.
	Short func(file string) string
	// First names a function, as "import/path.(*Type).Method". Goroutines that
	// are inside it are listed before all others.
	First string
}

// Place is a line of source.
type Place struct {
	File string // as Scope.Short made it
	Line int    // 0 where unknown
}

// Report is what was found in a dump.
type Report struct {
	Panic      string      // what a panic or a fatal error said; empty where there was none
	Goroutines []Goroutine // those of the judged code, the most telling first, equal ones counted as one
	Races      []Race
}

// Goroutine is one goroutine of the judged code, or several that are alike.
type Goroutine struct {
	Count   int
	Func    string // the outermost judged function, e.g. "(*Server).Shutdown"
	In      string // the innermost judged function, the same if there is only one
	At      Place  // where in that; where it was started, when it has not reached any judged line
	Doing   Doing
	Crashed bool // it is the one that panicked

	Creator   string // the function that started it; empty where unknown
	CreatedAt Place

	printedFirst bool
}

// Race is one report of the race detector: accesses to the same memory that
// nothing puts in order.
type Race struct {
	Accesses []Access
}

// Access is one side of a race.
type Access struct {
	Write bool
	Func  string
	At    Place
	Mine  bool // whether it was in the judged code
}

// Parse reads a dump, and everything else that may stand around it. What it
// cannot read it leaves out: an empty Report is a dump without anything of the
// judged code.
func Parse(dump []byte, scope Scope) Report {
	var r Report
	var around bytes.Buffer
	for in := io.Reader(bytes.NewReader(dump)); ; {
		snapshot, rest, err := stack.ScanSnapshot(in, &around, &stack.Opts{})
		switch {
		case snapshot == nil:
		case snapshot.IsRace():
			r.Races = append(r.Races, scope.race(snapshot))
		default:
			r.Goroutines = append(r.Goroutines, scope.goroutines(snapshot)...)
		}
		if err != nil {
			around.Write(rest)
			break
		}
		in = io.MultiReader(bytes.NewReader(rest), in)
	}
	r.Panic = lastPanic(around.String())
	for i, g := range r.Goroutines {
		// The runtime prints the goroutine that crashed first, while it runs.
		r.Goroutines[i].Crashed = g.Crashed || r.Panic != "" && g.printedFirst && g.Doing.Verb == verbComputes
		r.Goroutines[i].printedFirst = false
	}
	r.Goroutines = group(r.Goroutines)
	return r
}

// panicLine matches what the runtime prints before the goroutine that crashed.
var panicLine = regexp.MustCompile(`(?m)^(?:panic|fatal error): (.*)$`)

// recovered is what is added to the message of a panic that went through
// package testing, which recovers it to print its own line.
var recovered = regexp.MustCompile(`( \[recovered(, repanicked)?\])+$`)

func lastPanic(text string) string {
	all := panicLine.FindAllStringSubmatch(text, -1)
	if len(all) == 0 {
		return ""
	}
	return recovered.ReplaceAllString(all[len(all)-1][1], "")
}

// goroutines picks those of the judged code.
func (s Scope) goroutines(snapshot *stack.Snapshot) []Goroutine {
	var mine []Goroutine
	for _, g := range snapshot.Goroutines {
		out := Goroutine{Count: 1, printedFirst: g.First}
		if len(g.CreatedBy.Calls) > 0 {
			creator := g.CreatedBy.Calls[0]
			if s.judges(creator) {
				out.Creator, out.CreatedAt = funcName(creator), s.place(creator)
			}
		}
		at := slices.IndexFunc(g.Stack.Calls, s.judges)
		switch {
		case at >= 0:
			out.Func = s.outermost(g.Stack.Calls[at:])
			out.In, out.At = funcName(g.Stack.Calls[at]), s.place(g.Stack.Calls[at])
			out.Doing = doing(g.State, g.Stack.Calls[:at])
			out.Crashed = slices.ContainsFunc(g.Stack.Calls[:at], crashes)
		case out.Creator != "":
			// `go wg.Wait()` has no line of the learner's on its stack.
			out.Func, out.In, out.At = out.Creator, out.Creator, out.CreatedAt
			out.Doing = doing(g.State, g.Stack.Calls)
		default:
			continue
		}
		out.Doing.first = s.First != "" && slices.ContainsFunc(g.Stack.Calls, func(c stack.Call) bool {
			return strings.HasPrefix(c.Func.Complete, s.First)
		})
		mine = append(mine, out)
	}
	return mine
}

// outermost is the judged function that a goroutine is spoken of by: the
// outermost one that has a name of its own. That `go func() { s.handle(c) }()`
// is in Serve is said by where it was started.
func (s Scope) outermost(calls []stack.Call) string {
	name := ""
	for _, c := range slices.Backward(calls) {
		if !s.judges(c) {
			continue
		}
		if name == "" {
			name = funcName(c)
		}
		if !inner.MatchString(c.Func.Name) {
			return funcName(c)
		}
	}
	return name
}

// crashes reports whether a call is the runtime on its way out of a panic or a
// fatal error.
func crashes(c stack.Call) bool {
	return slices.Contains([]string{"panic", "runtime.gopanic", "runtime.fatal", "runtime.throw"}, c.Func.Complete)
}

func (s Scope) race(snapshot *stack.Snapshot) Race {
	var r Race
	for _, g := range snapshot.Goroutines {
		calls := g.Stack.Calls
		if len(calls) == 0 {
			continue
		}
		at := slices.IndexFunc(calls, s.judges)
		call := calls[max(at, 0)]
		r.Accesses = append(r.Accesses, Access{
			Write: g.RaceWrite, Func: funcName(call), At: s.place(call), Mine: at >= 0,
		})
	}
	return r
}

// judges reports whether a call is in the judged code.
func (s Scope) judges(c stack.Call) bool {
	in := c.Func.ImportPath
	return s.Package == "" || in == s.Package || strings.HasPrefix(in, s.Package+"/")
}

func (s Scope) place(c stack.Call) Place {
	short := s.Short
	if short == nil {
		short = path.Base
	}
	return Place{File: short(c.RemoteSrcPath), Line: c.Line}
}

// inner matches what the compiler appends to the name of a function for the
// functions inside it. A learner knows the outer one.
var inner = regexp.MustCompile(`(\.func\d+|\.gowrap\d+|\.deferwrap\d+|\.\d+|-fm|-range\d+)+$`)

func funcName(c stack.Call) string {
	name, _, _ := strings.Cut(c.Func.Name, " in goroutine ")
	return inner.ReplaceAllString(name, "")
}

// group counts equal goroutines as one and puts the most telling first.
func group(all []Goroutine) []Goroutine {
	var groups []Goroutine
	for _, g := range all {
		same := slices.IndexFunc(groups, func(h Goroutine) bool {
			h.Count = g.Count
			return h == g
		})
		if same >= 0 {
			groups[same].Count++
		} else {
			groups = append(groups, g)
		}
	}
	slices.SortStableFunc(groups, func(a, b Goroutine) int {
		return cmp.Compare(rank(a), rank(b))
	})
	return groups
}

func rank(g Goroutine) int {
	switch {
	case g.Crashed:
		return -2
	case g.Doing.first:
		return -1
	}
	return g.Doing.rank
}
