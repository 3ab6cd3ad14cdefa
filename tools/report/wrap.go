package report

import (
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/mattn/go-runewidth"
)

// wrap breaks text into lines of at most width columns, at spaces. Lines that
// the text has are kept.
func wrap(text string, width int) []string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, wrapLine(line, width)...)
	}
	return lines
}

func wrapLine(line string, width int) []string {
	if runewidth.StringWidth(line) <= width {
		return []string{line}
	}
	indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
	var lines []string
	current := indent
	for word := range strings.FieldsSeq(line) {
		switch {
		case current == indent:
			current += word
		case runewidth.StringWidth(current)+1+runewidth.StringWidth(word) <= width:
			current += " " + word
		default:
			lines = append(lines, current)
			current = indent + word
		}
	}
	return append(lines, current)
}

// harmless shows text that somebody's program printed: control characters,
// which could recolour, clear or retitle a terminal, become visible signs.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t':
			return r
		case r < 0x20:
			return 0x2400 + r // the Unicode pictures of control characters
		case r == 0x7f:
			return '\u2421'
		case r == 0xfffe, r == 0xffff: // no characters, and forbidden in XML
			return utf8.RuneError
		case unicode.In(r, unicode.Cc, unicode.Cf, unicode.Zl, unicode.Zp):
			return utf8.RuneError // among them the marks that turn the direction of text
		default:
			return r
		}
	}, text)
}

// bare is text without the signs of colour that paint puts around it.
func bare(text string) string { return colours.ReplaceAllString(text, "") }

var colours = regexp.MustCompile("\x1b\\[[0-9]*m")
