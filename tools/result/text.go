package result

import "strings"

// Role says what a Line is to its reader, and so how it may be coloured and
// whether it may be wrapped.
type Role string

// The roles, in the order in which they are read.
const (
	RoleName   Role = "name"
	RoleSeen   Role = "seen"
	RoleLaw    Role = "law"
	RoleWhy    Role = "why"
	RoleLadder Role = "ladder"
	RoleDetail Role = "detail"
	RoleLook   Role = "look"
	RoleRead   Role = "read"
	RoleHint   Role = "hint"
	RoleAgain  Role = "again"
	RoleSeed   Role = "seed"
)

// labels stand before the lines that say what to do next.
var labels = map[Role]string{
	RoleLook:  "look at",
	RoleRead:  "read",
	RoleHint:  "hint",
	RoleAgain: "again",
	RoleSeed:  "seed",
}

// Prose reports whether lines of the role are sentences, which may be wrapped.
func (r Role) Prose() bool { return r == RoleSeen || r == RoleLaw || r == RoleWhy }

// Drawn reports whether the text is a drawing or a quotation, whose lines and
// columns must stay as they are.
func (r Role) Drawn() bool { return r == RoleLadder || r == RoleDetail }

// Line is a piece of what is said about a test, with its role.
type Line struct {
	Role  Role
	Label string // "look at", "read", …; empty for what speaks for itself
	Text  string // one line, or several for what is Drawn
}

// Unsaid is what is seen of a test that failed without a word, as one does
// that the race detector fails.
const Unsaid = "This test failed and did not say why."

// Lines says a failure in the order in which it is read. It is the one place
// that knows this order; whoever shows a failure adds only colour and width.
func (f Failure) Lines() []Line {
	var lines []Line
	add := func(role Role, text string) {
		if text = strings.Trim(text, "\n"); text != "" {
			lines = append(lines, Line{Role: role, Label: labels[role], Text: text})
		}
	}
	add(RoleSeen, f.Seen)
	if f.Law != f.Seen {
		add(RoleLaw, f.Law)
	}
	add(RoleWhy, f.Why)
	add(RoleLadder, f.Ladder)
	add(RoleDetail, f.Detail)
	for i, place := range f.Look {
		add(RoleLook, place)
		if i > 0 {
			lines[len(lines)-1].Label = ""
		}
	}
	add(RoleRead, f.Read)
	add(RoleHint, f.Hint)
	add(RoleAgain, f.Again)
	add(RoleSeed, f.Seed)
	return lines
}

// Lines is the test's name and then the lines of its failure.
func (t Test) Lines() []Line {
	lines := []Line{{Role: RoleName, Text: t.Name}}
	if t.Failure != nil {
		lines = append(lines, t.Failure.Lines()...)
	}
	return lines
}

// labelWidth is the column at which the text behind a label starts.
const labelWidth = 10

// Text is the failure as plain text: no colour, no wrapping, a blank line
// around what is drawn and before what to do next.
func (f Failure) Text() string {
	var b strings.Builder
	var before Line
	for i, line := range f.Lines() {
		if i > 0 && Gap(before, line) {
			b.WriteByte('\n')
		}
		switch {
		case line.Role.Drawn():
			for part := range strings.Lines(line.Text) {
				b.WriteString("    " + strings.TrimRight(part, "\n") + "\n")
			}
		case line.Role.Prose():
			b.WriteString(line.Text + "\n")
		default:
			b.WriteString(Labelled(line.Label, line.Text) + "\n")
		}
		before = line
	}
	return b.String()
}

// Labelled puts a label and its text into columns.
func Labelled(label, text string) string {
	return label + strings.Repeat(" ", max(1, labelWidth-len(label))) + text
}

// Gap reports whether a blank line belongs between two lines that follow each
// other: around what is drawn, and between what happened and what to do.
func Gap(before, line Line) bool {
	if before.Role.Drawn() || line.Role.Drawn() {
		return true
	}
	return before.Role.Prose() && !line.Role.Prose()
}
