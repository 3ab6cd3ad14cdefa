package run

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"workbook.example/tools/result"
)

// position matches the beginning of a line about a place in the source.
var position = regexp.MustCompile(`(?m)^((?:[^\s:]+/)?[^\s:/]+\.go):(\d+)(?::\d+)?: (.*)$`)

// unplaced are what the go command says about the code without naming a line.
var unplaced = []string{"found packages ", "no Go files in", "no non-test Go files in", "import cycle", "build constraints exclude all Go files"}

// What the compiler says in a test about a name that the package should have.
var (
	undefinedName   = regexp.MustCompile(`undefined: (\w+)\.(\w+)`)
	undefinedMethod = regexp.MustCompile(`undefined \(type \*?(?:(\w+)\.)?(\w+)(?:\[.*\])? has no field or method (\w+)`)
)

// explain makes a failure of what the go command said. It is not to blame on
// the code if nothing that was said is about code.
func (b *Binary) explain(out []byte) (f result.Failure, blame bool) {
	text := b.compilerText(out)
	if strings.Contains(text, "no test files") {
		return result.Failure{
			Kind: result.KindMissing, Seen: seenAllGone, Why: whyGone,
			Detail: b.changes.restore(b.lab.Path()),
			Again:  fmt.Sprintf("make test-lab %d", b.lab.Number),
		}, true
	}
	errors := position.FindAllStringSubmatch(text, -1)
	errors = slices.DeleteFunc(errors, func(e []string) bool {
		return !strings.HasPrefix(e[1], b.placed.Shown+"/") && !strings.HasPrefix(e[1], b.lab.Path()+"/")
	})
	if len(errors) == 0 && !slices.ContainsFunc(unplaced, func(s string) bool { return strings.Contains(text, s) }) {
		return result.Failure{}, false
	}
	f = result.Failure{
		Kind:   result.KindBuild,
		Detail: text,
		Read:   path.Join(b.lab.Path(), "README.md"),
		Again:  fmt.Sprintf("make test-lab %d", b.lab.Number),
	}
	f.Again = b.again(f.Again)
	var mine, theirs [][]string
	for _, e := range errors {
		if strings.HasSuffix(e[1], "_test.go") {
			theirs = append(theirs, e)
		} else {
			mine = append(mine, e)
		}
	}
	switch {
	case len(b.set.Missing) > 0:
		f.Seen = fmt.Sprintf(seenFilesMissing, b.placed.Shown, list(b.set.Missing))
	case len(mine) > 0:
		f.Seen = fmt.Sprintf(seenNoCompile, len(mine))
		if len(mine) == 1 {
			f.Seen = seenNoCompileOne
		}
	case len(theirs) > 0:
		f.Seen, f.Why = b.mismatch(theirs), whySignatures
	default:
		f.Seen = seenNoBuild
	}
	for _, e := range mine {
		if place := e[1] + ":" + e[2]; len(f.Look) < maxLook && !slices.Contains(f.Look, place) {
			f.Look = append(f.Look, place)
		}
	}
	return f, true
}

// mismatch says why the tests do not compile although the code does.
func (b *Binary) mismatch(errors [][]string) string {
	var gone []string
	for _, e := range errors {
		name := ""
		if m := undefinedName.FindStringSubmatch(e[3]); m != nil && m[1] == b.lab.Package {
			name = m[2]
		} else if m := undefinedMethod.FindStringSubmatch(e[3]); m != nil && m[1] == b.lab.Package {
			name = m[2] + "." + m[3]
		} else if m != nil && m[1] == "" {
			name = m[3] // a type of the tests that embeds one of the package
		}
		if name != "" && !slices.Contains(gone, name) {
			gone = append(gone, name)
		}
	}
	switch {
	case len(b.changes.deleted) > 0:
		return fmt.Sprintf(seenTestsDeleted, list(b.changes.deleted), b.changes.restore(b.lab.Path()))
	case len(b.changes.edited) > 0:
		return fmt.Sprintf(seenTestsEdited, list(b.changes.edited))
	case len(gone) == 1:
		return fmt.Sprintf(seenRenamed, gone[0], gone[0])
	case len(gone) > 1:
		return fmt.Sprintf(seenRenamedMany, list(gone))
	default:
		return seenSignature
	}
}

// compilerText is what the compiler said, with the paths that the reader
// knows, without what the go command adds.
func (b *Binary) compilerText(out []byte) string {
	var lines []string
	shown := b.shown()
	for line := range strings.Lines(string(out)) {
		line = strings.TrimRight(line, "\n")
		if strings.HasPrefix(line, "# ") || strings.HasPrefix(line, "FAIL\t") || line == "FAIL" || line == "" {
			continue
		}
		if b.placed.Overlay != "" {
			line = shown.Replace(line)
		}
		lines = append(lines, strings.TrimPrefix(line, "./"))
	}
	return strings.Join(lines, "\n")
}

// list is "a, b and c".
func list(names []string) string {
	if n := len(names); n > 1 {
		return strings.Join(names[:n-1], ", ") + " and " + names[n-1]
	}
	return strings.Join(names, "")
}
