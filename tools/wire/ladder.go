package wire

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

const (
	maxColumns = 4   // participants that are drawn
	maxLines   = 20  // events that are drawn
	maxSpan    = 80  // terminal columns from the first lifeline to the last
	maxWidth   = 100 // terminal columns of a line with what was expected on its right
	minLane    = 16  // terminal columns between two lifelines
	arrow      = 6   // terminal columns of an arrow besides its label
	slack      = 2   // how much longer an arrow is where there is room
)

// columns measures text for a terminal in any but an old East Asian locale.
// The locale of whoever records a conversation says nothing about its reader.
var columns = &runewidth.Condition{}

// String is the conversation drawn as a ladder: a lifeline for each
// participant, an arrow for each event, the time going down. The event that
// broke the law has ✗ at its left and what was expected at its right.
//
//	    alice                     server                     carol
//	1     │── login "bob" ─────────▶│                          │
//	2     │◀─ login_response ok ────│                          │
//	3     │                         │◀───────── login "bob" ───│
//	4  ✗  │                         │── login_response ok ────▶│   expected success:false
//
// A FIN is an event like any other, a reset has a double line, and a note is
// dotted. Of more than four participants those are drawn that matter most for
// what is marked and for the end; of a long conversation the beginning, the end
// and what is marked. An empty conversation is "".
func (c *Conversation) String() string {
	events := c.Events()
	who, events, out := cast(c.joined(), events)
	if len(events) == 0 {
		return ""
	}
	l := layout(who, events)
	var b strings.Builder
	b.WriteString(l.header())
	for _, run := range excerpt(events) {
		if run.skip {
			fmt.Fprintf(&b, "%s%s\n", strings.Repeat(" ", l.at[0]), fmt.Sprintf(wordLines, run.to-run.from))
			continue
		}
		for i := run.from; i < run.to; i++ {
			b.WriteString(l.row(i+1, events[i]))
		}
	}
	if out.lines > 0 {
		fmt.Fprintf(&b, "%s%s\n", strings.Repeat(" ", l.at[0]), fmt.Sprintf(wordOthers, out.lines, out.participants))
	}
	return b.String()
}

// omitted counts what is not drawn at all.
type omitted struct{ participants, lines int }

// cast says who is drawn and with which events. The order of all is where it is
// known.
func cast(all []string, events []Event) ([]string, []Event, omitted) {
	part := map[string]int{} // how many events somebody has a part in
	for _, e := range events {
		for _, name := range ends(e) {
			part[name]++
			if !slices.Contains(all, name) {
				all = append(all, name)
			}
		}
	}
	all = slices.DeleteFunc(all, func(name string) bool { return part[name] == 0 })
	if len(all) <= maxColumns {
		return all, events, omitted{}
	}

	hub := slices.MaxFunc(all, func(a, b string) int { return cmp.Compare(part[a], part[b]) })
	drawn := map[string]bool{hub: true}
	add := func(names []string) {
		for _, name := range names {
			if len(drawn) < maxColumns {
				drawn[name] = true
			}
		}
	}
	for _, e := range events {
		if e.Mark != "" {
			add(ends(e))
		}
	}
	for _, e := range slices.Backward(events) {
		add(ends(e))
	}
	who := slices.DeleteFunc(all, func(name string) bool { return name == hub || !drawn[name] })
	who = slices.Insert(who, 1, hub) // in the middle, so that few arrows cross a lifeline
	kept := slices.DeleteFunc(slices.Clone(events), func(e Event) bool {
		return slices.ContainsFunc(ends(e), func(name string) bool { return !drawn[name] })
	})
	return who, kept, omitted{participants: len(part) - len(drawn), lines: len(events) - len(kept)}
}

// ends are the participants of an event; none for a note about the whole.
func ends(e Event) []string {
	if e.To == "" {
		return nil
	}
	return []string{e.From, e.To}
}

// A stretch of events, drawn or skipped.
type stretch struct {
	from, to int
	skip     bool
}

// excerpt divides events into what is drawn and what is skipped.
func excerpt(events []Event) []stretch {
	const head, tail = 6, 10
	if len(events) <= maxLines {
		return []stretch{{0, len(events), false}}
	}
	draw := map[int]bool{}
	for i := range events {
		if i < head || i >= len(events)-tail {
			draw[i] = true
		}
	}
	for i, e := range events {
		if e.Mark != "" && len(draw) < maxLines {
			draw[i] = true
		}
	}
	var runs []stretch
	for _, i := range slices.Sorted(maps.Keys(draw)) {
		if n := len(runs); n > 0 && runs[n-1].to == i {
			runs[n-1].to++
			continue
		} else if n > 0 {
			runs = append(runs, stretch{runs[n-1].to, i, true})
		}
		runs = append(runs, stretch{i, i + 1, false})
	}
	return runs
}

// A ladder knows where the lifelines are.
type ladder struct {
	who    []string
	at     []int // the terminal column of each lifeline
	digits int   // of the number of the last line
}

// layout makes each lane between two lifelines as wide as its labels want, as
// far as there is room.
func layout(who []string, events []Event) ladder {
	l := ladder{who: who, digits: len(strconv.Itoa(len(events)))}
	gutter := l.digits + len("  ✗  ") - len("✗") + 1
	if len(who) == 0 {
		l.at = []int{gutter}
		return l
	}
	l.at = []int{max(gutter, columns.StringWidth(who[0])/2)}
	if len(who) == 1 {
		return l
	}
	lanes := make([]int, len(who)-1)
	for i := range lanes {
		names := (columns.StringWidth(who[i])+columns.StringWidth(who[i+1]))/2 + 2
		lanes[i] = max(minLane, names)
	}
	for _, e := range events {
		a, b := l.span(e)
		need := columns.StringWidth(text(e)) + arrow + slack
		if b == a+1 {
			lanes[a] = max(lanes[a], need)
		}
	}
	for _, e := range events {
		// What crosses several lanes widens all of them alike.
		a, b := l.span(e)
		for i := a; i < b && b > a+1; i++ {
			lanes[i] = max(lanes[i], (columns.StringWidth(text(e))+arrow)/(b-a))
		}
	}
	for i, lane := range shares(maxSpan-len(lanes), lanes) {
		l.at = append(l.at, l.at[i]+lane+1)
	}
	return l
}

// shares divides the room among lanes: each has what it wants, or as much as
// any other that has not.
func shares(room int, want []int) []int {
	got := slices.Clone(want)
	byNeed := make([]int, len(want))
	for i := range byNeed {
		byNeed[i] = i
	}
	slices.SortStableFunc(byNeed, func(a, b int) int { return want[a] - want[b] })
	for done, i := range byNeed {
		got[i] = min(want[i], room/(len(want)-done))
		room -= got[i]
	}
	return got
}

// span is the lifelines from and to which an event is drawn, from left to
// right.
func (l ladder) span(e Event) (a, b int) {
	a, b = l.column(e.From), l.column(e.To)
	if a < 0 || b < 0 || a == b {
		return 0, len(l.who) - 1
	}
	return min(a, b), max(a, b)
}

// column is the place of a participant among the lifelines, -1 for nobody.
func (l ladder) column(name string) int { return slices.Index(l.who, name) }

// header has the participants' names, each over the middle of its lifeline.
func (l ladder) header() string {
	if len(l.who) == 0 {
		return ""
	}
	var b strings.Builder
	at := 0
	for i, name := range l.who {
		name = Visible(name)
		start := max(l.at[i]-columns.StringWidth(name)/2, at)
		b.WriteString(strings.Repeat(" ", start-at) + name)
		at = start + columns.StringWidth(name)
	}
	return strings.TrimRight(b.String(), " ") + "\n"
}

// row draws an event.
func (l ladder) row(number int, e Event) string {
	cells := newCells(l.at[len(l.at)-1] + 1)
	cells.put(0, fmt.Sprintf("%*d", l.digits, number))
	if e.Mark != "" {
		cells.put(l.digits+2, "✗")
	}
	for i := range l.who {
		cells.put(l.at[i], "│")
	}
	from, to := l.column(e.From), l.column(e.To)
	switch {
	case from >= 0 && to >= 0 && from != to:
		l.draw(cells, from, to, e)
	case len(l.who) > 1:
		l.draw(cells, 0, len(l.who)-1, Event{Kind: Note, Text: text(e)})
	default:
		cells = append(cells, " ", " ", text(e))
	}
	line := strings.TrimRight(strings.Join(cells, ""), " ")
	if e.Mark == "" {
		return line + "\n"
	}
	mark := Visible(e.Mark)
	if columns.StringWidth(line)+3+columns.StringWidth(mark) <= maxWidth {
		return line + "   " + mark + "\n"
	}
	return line + "\n" + strings.Repeat(" ", l.at[0]) + "└ " + mark + "\n"
}

// draw puts an arrow between two lifelines.
func (l ladder) draw(cells cells, from, to int, e Event) {
	a, b := l.at[min(from, to)], l.at[max(from, to)]
	shaft, crossing := "─", "┼"
	switch e.Kind {
	case RST:
		shaft, crossing = "═", "╪"
	case Note:
		shaft, crossing = "┄", "│"
	}
	for x := a + 1; x < b; x++ {
		if cells[x] == "│" {
			cells[x] = crossing
		} else {
			cells[x] = shaft
		}
	}
	label := columns.Truncate(text(e), b-a-1-arrow, "…")
	width := columns.StringWidth(label)
	start := a + 3                   // where the label's blank is, on the left of it
	right := max(start, b-3-width-2) // the same where the label stands on the right
	switch {
	case e.Kind == Note:
		if min(from, to) > 0 {
			start = right
		}
	case from < to:
		cells[b-1] = "▶"
	default:
		cells[a+1] = "◀"
		if to > 0 {
			start = right
		}
	}
	if width > 0 {
		cells.put(start, " "+label+" ")
	}
}

// cells is a line of terminal columns. What is wider than one column is in the
// first of its columns, and the others are empty.
type cells []string

func newCells(n int) cells {
	return slices.Repeat(cells{" "}, n)
}

func (c cells) put(at int, s string) {
	for i := range columns.StringWidth(s) {
		c[at+i] = ""
	}
	c[at] = s
}

// text is what stands on an event's arrow.
func text(e Event) string {
	if e.Text == "" && len(e.Bytes) > 0 {
		return strconv.Quote(string(e.Bytes))
	}
	return Visible(e.Text)
}

// Visible escapes what a terminal would obey or hide: control characters, marks
// that turn the direction of text, bytes that are not UTF-8. Line feeds are
// among them.
func Visible(s string) string {
	var b strings.Builder
	for len(s) > 0 {
		r, size := utf8.DecodeRuneInString(s)
		if unicode.IsPrint(r) && (r != utf8.RuneError || size > 1) {
			b.WriteRune(r)
		} else {
			quoted := strconv.Quote(s[:size])
			b.WriteString(quoted[1 : len(quoted)-1])
		}
		s = s[size:]
	}
	return b.String()
}
