// Package report shows a result to a person or hands it to a platform. It adds
// nothing to a verdict: what is said about a failure, and in which order, is
// decided in package result.
package report

import (
	"bytes"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/mattn/go-runewidth"

	"workbook.example/tools/result"
)

// View is a result as a person sees it in a terminal.
type View struct {
	Style   Style
	Verbose bool   // everything in full, not only the first failure
	Next    string // the command to go on with when everything passes
}

// Print writes the stages on a line, and then in full only what to work on
// now: the first failing test of the first failing stage.
func (v View) Print(w io.Writer, r *result.Result) error {
	p := &page{style: v.Style, verbose: v.Verbose}
	p.head(title(r), fmt.Sprintf("%s · %.1f s", score(r), r.Seconds))
	switch {
	case r.Build != nil:
		p.gap()
		p.failure(mark(result.Error), *r.Build)
	case v.Verbose:
		if len(r.Stages) > 1 { // one is said by its own heading
			p.marks(r.Stages)
		}
		for _, s := range r.Stages {
			p.whole(s)
		}
	default:
		p.marks(r.Stages)
		if i := current(r.Stages); i >= 0 {
			p.stage(r.Stages[i])
		}
	}
	p.unrun(r.Stages)
	p.notes(r)
	if r.Verdict == result.Pass {
		p.gap()
		p.text(1, passing(r.Stages))
		if v.Next != "" {
			p.gap()
			p.labelled(1, result.Line{Label: "next", Text: v.Next})
		}
	}
	if v.Verbose && r.Points.CoreMax+r.Points.ExtraMax > 0 {
		p.gap()
		p.text(1, points(r.Points))
	}
	_, err := w.Write(append(bytes.TrimRight(p.out.Bytes(), "\n"), '\n'))
	return err
}

// Line writes the result on one line, as one of several.
func (v View) Line(w io.Writer, r *result.Result) error {
	p := &page{style: v.Style}
	say := score(r) + " · " + points(r.Points)
	switch {
	case r.Build != nil:
		say += " · does not build"
	case current(r.Stages) >= 0:
		say += fmt.Sprintf(" · at stage %d", r.Stages[current(r.Stages)].ID)
	}
	m := mark(r.Verdict)
	p.head(p.style.paint(m.colour, m.sign)+" "+labTitle(r), say)
	_, err := w.Write(p.out.Bytes())
	return err
}

// Failure writes a failure that no result surrounds.
func (v View) Failure(w io.Writer, f result.Failure) error {
	p := &page{style: v.Style}
	p.failure(mark(result.Error), f)
	_, err := w.Write(p.out.Bytes())
	return err
}

// current is the index of the stage to work on now: the first that fails for a
// reason of its own, or else the first that does not pass; -1 if none.
func current(stages []result.Stage) int {
	failing := func(s result.Stage) bool { return s.Verdict != result.Pass && s.Verdict != result.NotRun }
	if i := slices.IndexFunc(stages, func(s result.Stage) bool { return failing(s) && !s.Blocked() }); i >= 0 {
		return i
	}
	return slices.IndexFunc(stages, failing)
}

type sign struct{ sign, colour string }

func mark(v result.Verdict) sign {
	switch v {
	case result.Pass:
		return sign{"✓", green}
	case result.NotRun:
		return sign{"–", faint}
	case result.Fault:
		return sign{"!", amber}
	default:
		return sign{"✗", red}
	}
}

func stageMark(s result.Stage) sign {
	if s.Blocked() {
		return sign{"–", faint}
	}
	return mark(s.Verdict)
}

// page is a text that is being laid out.
type page struct {
	style   Style
	verbose bool
	out     bytes.Buffer
}

func (p *page) gap() {
	if p.out.Len() > 0 && !bytes.HasSuffix(p.out.Bytes(), []byte("\n\n")) {
		p.out.WriteByte('\n')
	}
}

func (p *page) line(indent int, text string) {
	fmt.Fprintf(&p.out, "%s%s\n", strings.Repeat(" ", indent), text)
}

// text writes prose.
func (p *page) text(indent int, text string) {
	for _, line := range wrap(text, p.style.Width-indent) {
		p.line(indent, line)
	}
}

// head writes one thing at the left and another at the right edge, or below it
// where there is no room.
func (p *page) head(left, right string) {
	// The signs of colour have no width.
	room := p.style.Width - runewidth.StringWidth(bare(left)) - runewidth.StringWidth(right)
	if room < 2 {
		p.line(0, p.style.paint(bold, left))
		p.line(1, right)
		return
	}
	p.line(0, p.style.paint(bold, left)+strings.Repeat(" ", room)+right)
}

// marks writes the stages with their signs, as many on a line as fit.
func (p *page) marks(stages []result.Stage) {
	p.gap()
	const between = "   "
	line, width := "", 0
	for _, s := range stages {
		m := stageMark(s)
		plain := fmt.Sprintf("%s %d %s", m.sign, s.ID, s.Title)
		painted := p.style.paint(m.colour, m.sign) + fmt.Sprintf(" %d %s", s.ID, s.Title)
		w := runewidth.StringWidth(plain)
		if width > 0 && 1+width+len(between)+w > p.style.Width {
			p.line(1, line)
			line, width = "", 0
		}
		if width > 0 {
			line += between
			width += len(between)
		}
		line += painted
		width += w
	}
	p.line(1, line)
	p.legend(stages)
}

// legend says what the sign means that does not speak for itself. Where nothing
// but waiting is left, what it waits for is told in full anyway.
func (p *page) legend(stages []result.Stage) {
	waits := slices.ContainsFunc(stages, result.Stage.Blocked)
	if i := current(stages); !p.verbose && i >= 0 && stages[i].Blocked() {
		waits = false
	}
	if !waits {
		return // what cannot be run here has its reason told below
	}
	say := legendWaits
	if slices.ContainsFunc(stages, func(s result.Stage) bool { return s.Verdict == result.NotRun }) {
		say = legendBoth
	}
	for _, line := range wrap(say, p.style.Width-1) {
		p.line(1, p.style.paint(faint, line))
	}
}

// stage writes the tests of a stage that did not pass: the first in full, the
// others by name.
func (p *page) stage(s result.Stage) {
	if s.Blocked() {
		p.blocked(s)
		return
	}
	gated, full := 0, 0
	for _, t := range s.Tests {
		switch {
		case t.Verdict == result.Pass || t.Verdict == result.NotRun:
		case t.Failure != nil && t.Failure.Kind == result.KindGate:
			gated++
		case full == 0:
			full++
			p.test(t)
			p.gap()
		default:
			p.name(t)
		}
	}
	if gated > 0 {
		p.line(1, p.style.paint(faint, "– "+fmt.Sprintf(moreBlocked, waits(gated))))
	}
}

// whole writes everything about a stage.
func (p *page) whole(s result.Stage) {
	p.gap()
	m := stageMark(s)
	p.line(1, p.style.paint(m.colour, m.sign)+" "+p.style.paint(bold, fmt.Sprintf("%d %s", s.ID, s.Title)))
	if s.Blocked() {
		p.blocked(s)
		return
	}
	p.gap()
	for _, t := range s.Tests {
		if t.Failure == nil || t.Verdict == result.NotRun {
			p.name(t)
			if t.Output != "" {
				p.output(t.Output, t.Cut)
				p.gap()
			}
			continue
		}
		p.test(t)
		p.gap()
	}
	if s.Output != "" {
		p.gap()
		p.output(s.Output, s.Cut)
	}
}

// name writes a test on one line.
func (p *page) name(t result.Test) {
	m := mark(t.Verdict)
	p.line(1, p.style.paint(m.colour, m.sign)+" "+t.Name)
}

// blocked writes why a stage cannot be judged yet: once, not for every test.
func (p *page) blocked(s result.Stage) {
	for _, t := range s.Tests {
		if t.Failure != nil && t.Failure.Kind == result.KindGate {
			p.gap()
			p.failure(sign{"–", faint}, *t.Failure)
			return
		}
	}
}

func (p *page) test(t result.Test) {
	p.gap()
	m := mark(t.Verdict)
	p.line(1, p.style.paint(m.colour, m.sign)+" "+p.style.paint(bold, t.Name))
	if t.Failure == nil {
		return
	}
	lines := t.Failure.Lines()
	// What the code printed stands between what was seen and what to do.
	todo := slices.IndexFunc(lines, func(l result.Line) bool { return l.Label != "" })
	if todo < 0 {
		todo = len(lines)
	}
	p.lines(3, lines[:todo])
	if t.Output != "" {
		p.gap()
		p.output(t.Output, t.Cut)
	}
	if todo < len(lines) {
		p.gap()
		p.lines(3, lines[todo:])
	}
}

// failure writes a failure that belongs to no test, with its sign before it.
func (p *page) failure(m sign, f result.Failure) {
	at := p.out.Len()
	p.lines(3, f.Lines())
	text := bytes.Clone(p.out.Bytes()[at:])
	p.out.Truncate(at)
	p.out.WriteString(" " + p.style.paint(m.colour, m.sign) + " ")
	p.out.Write(bytes.TrimLeft(text, " "))
}

func (p *page) lines(indent int, lines []result.Line) {
	for i, l := range lines {
		if i > 0 && result.Gap(lines[i-1], l) {
			p.gap()
		}
		switch text := harmless(l.Text); {
		case l.Role.Drawn():
			for part := range strings.SplitSeq(text, "\n") {
				p.line(indent, p.drawn(l.Role, part))
			}
		case l.Role.Prose():
			p.text(indent, text)
		default:
			l.Text = text
			p.labelled(indent, l)
		}
	}
}

// drawn paints a line of a drawing: the marked one stands out.
func (p *page) drawn(role result.Role, line string) string {
	if role == result.RoleLadder && strings.Contains(line, "✗") {
		return p.style.paint(red, line)
	}
	return line
}

func (p *page) labelled(indent int, l result.Line) {
	plain := result.Labelled(l.Label, l.Text)
	label := strings.TrimSuffix(plain, l.Text)
	p.line(indent, p.style.paint(faint, label)+p.style.paint(cyan, l.Text))
}

// shownOutput is how many lines of output are shown, half of them from the
// beginning.
const shownOutput = 12

// output writes what the code printed.
func (p *page) output(text string, cut int) {
	p.line(3, p.style.paint(faint, printed))
	lines := strings.Split(harmless(text), "\n")
	if !p.verbose && len(lines) > shownOutput {
		hidden := len(lines) - shownOutput + cut
		if cut > 0 {
			hidden-- // one of the lines stands for those that were cut
		}
		half := shownOutput / 2
		lines = slices.Concat(lines[:half], []string{fmt.Sprintf(leftOut, hidden)}, lines[len(lines)-half:])
	}
	for _, line := range lines {
		p.line(3, p.style.paint(faint, "│")+" "+runewidth.Truncate(line, p.style.Width-5, "…"))
	}
}

// unrun writes what this machine cannot exercise, and what would change that.
func (p *page) unrun(stages []result.Stage) {
	for _, s := range stages {
		for _, t := range s.Tests {
			if t.Verdict != result.NotRun || t.Failure == nil {
				continue
			}
			p.gap()
			p.text(1, "– "+fmt.Sprintf(notRunHere, t.Name, harmless(t.Failure.Seen)))
			if t.Failure.Detail != "" {
				p.text(3, fmt.Sprintf(remedyFor, harmless(t.Failure.Detail)))
			}
		}
	}
}

func (p *page) notes(r *result.Result) {
	notes := slices.Clone(r.Notes)
	if iso := r.Isolation; iso.Reason != "" && (iso.Remedy != "" || p.verbose) {
		note := fmt.Sprintf(notIsolated, iso.Reason)
		if iso.Remedy != "" {
			note += " " + fmt.Sprintf(remedyFor, iso.Remedy)
		}
		notes = append(notes, note)
	}
	for _, note := range notes {
		p.gap()
		for i, line := range wrap("note: "+harmless(note), p.style.Width-1) {
			if i > 0 {
				line = "      " + line
			}
			p.line(1, p.style.paint(amber, line))
		}
	}
}
