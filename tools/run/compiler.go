package run

import (
	"context"
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
	undefinedHere   = regexp.MustCompile(`undefined: (\w+)$`)
	undefinedMethod = regexp.MustCompile(`undefined \(type \*?(?:(\w+)\.)?(\w+)(?:\[.*\])? has no field or method (\w+)`)
)

// explain makes a failure of what the go command said. It is not to blame on
// the code if nothing that was said is about code.
func (b *Binary) explain(ctx context.Context, out []byte) (f result.Failure, blame bool) {
	text := b.compilerText(out)
	if strings.Contains(text, "no test files") {
		return result.Failure{
			Kind: result.KindMissing, Seen: seenAllGone, Why: whyGone,
			Detail: b.changes.restore(b.lab.Path(), b.changes.deleted...),
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
	absent := b.absent(ctx, undefined(errors))
	helper := b.helper(theirs)
	switch {
	case len(mine) == 0 && helper != "":
		// What tests share is in test files: the code has no part in it.
		f.Seen = b.lostHelper(helper)
	case len(absent.files) > 0:
		f.Seen, f.Why = absent.tell(b)
		f.Detail = fewer(text)
	case len(mine) > 0:
		f.Seen = fmt.Sprintf(seenNoCompile, len(mine))
		if len(mine) == 1 {
			f.Seen = seenNoCompileOne
		}
	case len(theirs) > 0:
		f.Seen, f.Why = b.mismatch(theirs), whySignatures
		f.Detail = fewer(text)
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

// undefined are the names that the compiler looked for in vain.
func undefined(errors [][]string) (names []string) {
	for _, e := range errors {
		for _, what := range []*regexp.Regexp{undefinedName, undefinedMethod, undefinedHere} {
			m := what.FindStringSubmatch(e[3])
			if m == nil {
				continue
			}
			if name := m[len(m)-1]; !slices.Contains(names, name) {
				names = append(names, name)
			}
			break
		}
	}
	return names
}

// helper is a name that the course's tests look for among themselves, and that
// is not there.
func (b *Binary) helper(errors [][]string) string {
	var laws map[string][]string
	for _, e := range errors {
		m := undefinedHere.FindStringSubmatch(e[3])
		if m == nil {
			continue
		}
		if laws == nil {
			laws = b.laws()
		}
		// A learner may have tests of his own, and they may be unfinished.
		if path.Base(e[1]) == "harness_test.go" || slices.ContainsFunc(laws[e[1]], func(s string) bool { return b.lab.StageOf(s) != nil }) {
			return m[1]
		}
	}
	return ""
}

// lostHelper says that the tests lack something of their own.
func (b *Binary) lostHelper(name string) string {
	deleted := slices.DeleteFunc(slices.Clone(b.changes.deleted), func(file string) bool {
		return !strings.HasSuffix(file, "_test.go")
	})
	if len(deleted) > 0 {
		return fmt.Sprintf(seenTestsDeleted, list(deleted), b.changes.restore(b.lab.Path(), deleted...))
	}
	if len(b.changes.edited) > 0 {
		return fmt.Sprintf(seenTestsEdited, list(b.changes.edited))
	}
	return fmt.Sprintf(seenHelperGone, name, b.changes.restore(b.lab.Path()))
}

// fewErrors is how many errors are quoted that have one cause.
const fewErrors = 3

// fewer keeps the first errors of what the compiler said, each with the lines
// that belong to it.
func fewer(text string) string {
	starts := position.FindAllStringIndex(text, -1)
	if len(starts) <= fewErrors {
		return text
	}
	more := fmt.Sprintf(moreErrors, len(starts)-fewErrors)
	if strings.HasSuffix(text, "too many errors") {
		more = fmt.Sprintf(moreErrorsYet, len(starts)-fewErrors)
	}
	return text[:starts[fewErrors][0]] + more
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
