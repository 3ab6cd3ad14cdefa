package course

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"unicode"
)

// Hints are the hints on a stage, from a nudge to a similar snippet, as
// Markdown. They stand in hints.md under the stage's heading, each below a
// "### Hint 1" of its own. A stage without hints has none; that is no error.
func (l *Lab) Hints(s *Stage) ([]string, error) {
	text, err := os.ReadFile(filepath.Join(l.Dir, "hints.md"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	return hintsBelow(string(text), s.Anchor()), nil
}

// hintsBelow cuts the hints out of the section whose heading has that anchor.
// A line that looks like a heading inside a fenced block is code.
func hintsBelow(text, anchor string) []string {
	var hints []string
	var inSection, inHint, fenced bool
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimLeft(line, " "), "```") {
			fenced = !fenced
		}
		level, title := heading(line)
		switch {
		case !fenced && level > 0 && level <= 2:
			inSection, inHint = slug(title) == anchor, false
		case !fenced && level == 3 && inSection:
			inHint = true
			hints = append(hints, "")
		case inHint:
			hints[len(hints)-1] += line
		}
	}
	for i := range hints {
		hints[i] = strings.TrimSpace(hints[i])
	}
	return hints
}

// heading is the level and the words of a Markdown heading; level 0 if the
// line is none.
func heading(line string) (level int, title string) {
	rest := strings.TrimLeft(line, "#")
	level = len(line) - len(rest)
	if level == 0 || level > 6 || !strings.HasPrefix(rest, " ") {
		return 0, ""
	}
	return level, strings.TrimSpace(rest)
}

// slug is the address that GitHub gives to a heading.
func slug(title string) string {
	var b strings.Builder
	for _, r := range strings.ToLower(strings.TrimSpace(title)) {
		switch {
		case r == ' ':
			b.WriteRune('-')
		case r == '-' || r == '_' || unicode.IsLetter(r) || unicode.IsNumber(r):
			b.WriteRune(r)
		}
	}
	return b.String()
}
