package report

import (
	"io"
	"os"

	"golang.org/x/term"
)

// Style says how text may look where it goes.
type Style struct {
	Colour bool
	Width  int
}

// defaultWidth is for files and pipes; maxWidth keeps lines readable on a wide
// terminal.
const (
	defaultWidth = 80
	maxWidth     = 100
	minWidth     = 40
)

// StyleOf is the style for a writer: colour only on a terminal, and never
// where NO_COLOR is set (see no-color.org) or the terminal is dumb.
func StyleOf(w io.Writer) Style {
	s := Style{Width: defaultWidth}
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return s
	}
	s.Colour = os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	if width, _, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		s.Width = min(max(width, minWidth), maxWidth)
	}
	return s
}

// The attributes that are used, as ECMA-48 calls them.
const (
	bold  = "1"
	faint = "2"
	red   = "31"
	green = "32"
	amber = "33"
	cyan  = "36"
)

func (s Style) paint(attribute, text string) string {
	if !s.Colour || text == "" {
		return text
	}
	return "\x1b[" + attribute + "m" + text + "\x1b[0m"
}
