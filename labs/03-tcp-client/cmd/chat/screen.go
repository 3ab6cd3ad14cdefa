package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
	"unicode"
)

const (
	promptText = "> "
	// clearLine goes to the beginning of the line and clears it (ECMA-48, EL).
	clearLine = "\r\x1b[K"
)

// A screen shows lines as they come, above the one that is being typed. The
// terminal itself keeps and edits that line, so what was typed of it vanishes
// from sight when a message comes, but is not lost.
type screen struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	prompted bool // the cursor stands behind the prompt
	waiting  bool // somebody is asked to type
}

func newScreen(out *os.File) *screen {
	info, err := out.Stat()
	terminal := err == nil && info.Mode()&os.ModeCharDevice != 0 && os.Getenv("TERM") != "dumb"
	return &screen{out: out, terminal: terminal}
}

// show shows what happened at a time, the zero time being now.
func (s *screen) show(when time.Time, format string, args ...any) {
	if when.IsZero() {
		when = time.Now()
	}
	s.note("%s %s", when.Local().Format(time.TimeOnly), fmt.Sprintf(format, args...))
}

// note shows a line. Everything in it may come from others.
func (s *screen) note(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	line := harmless(strings.TrimSuffix(fmt.Sprintf(format, args...), "\n"))
	if s.prompted {
		s.prompted = false
		io.WriteString(s.out, clearLine)
	}
	fmt.Fprintln(s.out, line)
	s.ask()
}

// prompt says that a line may be typed, entered that one has been.
func (s *screen) prompt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting = true
	s.ask()
}

func (s *screen) entered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.waiting, s.prompted = false, false
}

// ask shows the prompt where there is somebody to see it.
func (s *screen) ask() {
	if s.terminal && s.waiting && !s.prompted {
		io.WriteString(s.out, promptText)
		s.prompted = true
	}
}

// end leaves the terminal with an empty line to go on with.
func (s *screen) end() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.prompted {
		io.WriteString(s.out, clearLine)
	}
	s.waiting, s.prompted = false, false
}

// Write implements io.Writer, for the log.
func (s *screen) Write(b []byte) (int, error) {
	s.note("  %s", b)
	return len(b), nil
}

// harmless makes text from strangers fit for a terminal: what would move the
// cursor, change colours, set the title or turn the writing direction around
// is shown as a symbol instead.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == 0x7f:
			return '␡'
		case r < 0x20:
			return 0x2400 + r // the symbol for it: ␛ for ESC
		case unicode.IsControl(r), unicode.Is(unicode.Bidi_Control, r), r == 0x2028, r == 0x2029:
			return unicode.ReplacementChar
		}
		return r
	}, text)
}

// harmlessLines is harmless for a text of several lines of our own.
func harmlessLines(text string) string {
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		lines[i] = harmless(line)
	}
	return strings.Join(lines, "\n")
}
