package report

import (
	"fmt"
	"os"

	"golang.org/x/term"
)

// Status is a line at the end of a terminal that says what is being done, and
// is gone when it is done. Elsewhere it does not exist.
type Status struct {
	terminal *os.File // nil: none
}

// NewStatus is a status line on a terminal, or nothing on anything else.
func NewStatus(f *os.File) *Status {
	if !term.IsTerminal(int(f.Fd())) || os.Getenv("TERM") == "dumb" {
		return &Status{}
	}
	return &Status{terminal: f}
}

// Show replaces what the line says.
func (s *Status) Show(text string) {
	if s.terminal != nil {
		fmt.Fprintf(s.terminal, "\r\x1b[K%s", text)
	}
}

// Clear takes the line away.
func (s *Status) Clear() {
	if s.terminal != nil {
		fmt.Fprint(s.terminal, "\r\x1b[K")
	}
}
