package verify

import (
	"bytes"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"workbook.example/tools/course"
	"workbook.example/tools/sources"
)

// bugsAStage is how many wrong solutions every stage must have at least.
const bugsAStage = 3

// agree compares what a lab says about itself in different places: lab.toml,
// its Go files, README.md, hints.md and the solution. It runs nothing.
func (r *Report) agree(lab *course.Lab, bugs []sources.BugInfo) {
	r.testsAreListed(lab)
	for i := range lab.Stages {
		r.stageIsWhole(lab, &lab.Stages[i])
	}
	for _, file := range []string{"README.md", "hints.md"} {
		text, err := os.ReadFile(filepath.Join(lab.Dir, file))
		if err != nil {
			r.find(file, "it cannot be read: %v", errors.Unwrap(err))
			continue
		}
		r.headingsMatch(lab, file, string(text))
		r.linksLead(lab, file, string(text))
	}
	r.filesMatch(lab)
	r.bugsMatch(lab, bugs)
}

// testsAreListed finds tests that no stage would run, and stages that ask for
// tests that nobody wrote.
func (r *Report) testsAreListed(lab *course.Lab) {
	written := map[string]string{} // test to file
	files, _ := filepath.Glob(filepath.Join(lab.Dir, "*_test.go"))
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			r.find(filepath.Base(file), "%v", err)
			continue
		}
		for _, decl := range parsed.Decls {
			f, ok := decl.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !isTest(f.Name.Name) {
				continue
			}
			written[f.Name.Name] = filepath.Base(file)
			if lab.StageOf(f.Name.Name) == nil {
				r.find(filepath.Base(file), "%s is in no stage of lab.toml, so nobody ever runs it", f.Name.Name)
			}
		}
	}
	for _, s := range lab.Stages {
		for _, t := range s.Tests {
			if written[t.Name] == "" {
				r.find("lab.toml", "stage %d lists %s, but no _test.go file has it", s.ID, t.Name)
			}
		}
	}
}

// isTest reports whether go test would run a function of this name.
func isTest(name string) bool {
	rest, ok := strings.CutPrefix(name, "Test")
	first, _ := utf8.DecodeRuneInString(rest)
	return ok && name != "TestMain" && !unicode.IsLower(first)
}

// stageIsWhole checks that a stage has all that a learner is told about it.
func (r *Report) stageIsWhole(lab *course.Lab, s *course.Stage) {
	if s.Points <= 0 {
		r.find("lab.toml", "stage %d is worth no points", s.ID)
	}
	if s.Minutes <= 0 {
		r.find("lab.toml", "stage %d does not say how many minutes it takes", s.ID)
	}
	if len(s.Files) == 0 {
		r.find("lab.toml", "stage %d does not say which files it asks for", s.ID)
	}
	for _, f := range s.Files {
		if !slices.Contains(lab.Editable, f) {
			r.find("lab.toml", "stage %d asks for %s, which is not editable", s.ID, f)
		}
	}
	if s.Chapter != "" && !exists(filepath.Join(lab.Root, s.Chapter)) {
		r.find("lab.toml", "stage %d sends the reader to %s, which does not exist", s.ID, s.Chapter)
	}
	for _, t := range s.Tests {
		if t.Law == "" {
			r.find("lab.toml", "%s has no law", t.Name)
		}
		if t.Why == "" {
			r.find("lab.toml", "%s does not say why its law matters", t.Name)
		}
		for _, function := range t.Look {
			if _, _, ok := course.Locate(lab.Dir, function); !ok {
				r.find("lab.toml", "%s says to look at %s, which is nowhere in the lab's folder", t.Name, function)
			}
		}
	}
	hints, err := lab.Hints(s)
	if err != nil {
		r.find("hints.md", "%v", err)
	}
	if len(hints) != 3 {
		r.find("hints.md", "stage %d (%s) has %d hints; three are due", s.ID, s.Title, len(hints))
	}
	for i, h := range hints {
		if h == "" {
			r.find("hints.md", "hint %d of stage %d is empty", i+1, s.ID)
		}
	}
}

// headingsMatch checks that a file has one heading a stage, in their order.
func (r *Report) headingsMatch(lab *course.Lab, file, text string) {
	var want []string
	for _, s := range lab.Stages {
		want = append(want, s.Heading())
	}
	if have := stageHeadings(text); !slices.Equal(have, want) {
		r.find(file, "its sections are %s; by lab.toml they are %s", quoted(have), quoted(want))
	}
}

// stageHeadings returns the headings of the second level that begin with a
// number.
func stageHeadings(text string) []string {
	var found []string
	fenced := false
	for line := range strings.Lines(text) {
		if strings.HasPrefix(strings.TrimSpace(line), "```") {
			fenced = !fenced
		}
		title, ok := strings.CutPrefix(line, "## ")
		if ok && !fenced && title != "" && unicode.IsDigit(rune(title[0])) {
			found = append(found, strings.TrimSpace(title))
		}
	}
	return found
}

func quoted(titles []string) string {
	if len(titles) == 0 {
		return "none"
	}
	return fmt.Sprintf("%q", titles)
}

// link is a link of Markdown to another file of the workbook.
var link = regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)

// linksLead checks that a learner who follows a link gets somewhere.
func (r *Report) linksLead(lab *course.Lab, file, text string) {
	for _, l := range link.FindAllStringSubmatch(text, -1) {
		if !exists(filepath.Join(lab.Dir, l[1])) {
			r.find(file, "it links to %s, which does not exist", l[1])
		}
	}
}

// filesMatch checks that lab and solution have the files that lab.toml names,
// and that nothing given exists in two versions.
func (r *Report) filesMatch(lab *course.Lab) {
	solution := solutionDir(lab)
	for _, f := range lab.Editable {
		for _, dir := range []string{lab.Dir, solution} {
			if !exists(filepath.Join(dir, f)) {
				r.find("lab.toml", "%s is editable, but %s does not exist", f, short(lab, filepath.Join(dir, f)))
			}
		}
	}
	for _, f := range lab.Given {
		if !exists(filepath.Join(lab.Dir, f)) {
			r.find("lab.toml", "%s is given, but %s does not exist", f, short(lab, filepath.Join(lab.Dir, f)))
		}
	}
	entries, err := os.ReadDir(lab.Dir)
	if err != nil {
		r.find("lab.toml", "%v", err)
	}
	for _, e := range entries {
		name := e.Name()
		if course.IsCode(name) && !slices.Contains(lab.Editable, name) && !slices.Contains(lab.Given, name) {
			r.find("lab.toml", "%s is neither editable nor given", name)
		}
		if filepath.Ext(name) != ".go" || slices.Contains(lab.Editable, name) {
			continue
		}
		ours, err := os.ReadFile(filepath.Join(lab.Dir, name))
		theirs, errSolution := os.ReadFile(filepath.Join(solution, name))
		if errors.Is(errSolution, fs.ErrNotExist) {
			continue // not copied at all, which is best
		}
		if err := errors.Join(err, errSolution); err != nil {
			r.find(name, "%v", err)
		} else if !bytes.Equal(ours, theirs) {
			r.find(name, "it differs from %s; nobody edits it, so it should be the same or not be there", short(lab, filepath.Join(solution, name)))
		}
	}
}

// bugsMatch checks that every stage has enough bugs. That a bug's header names
// a stage and a test of it is checked where headers are read.
func (r *Report) bugsMatch(lab *course.Lab, bugs []sources.BugInfo) {
	count := map[int]int{}
	for _, b := range bugs {
		count[b.Stage]++
	}
	for _, s := range lab.Stages {
		if n := count[s.ID]; n < bugsAStage {
			r.find("bugs", "stage %d (%s) has %d; at least %d are due", s.ID, s.Title, n, bugsAStage)
		}
	}
}

func solutionDir(lab *course.Lab) string {
	return filepath.Join(lab.Root, "solutions", lab.Folder)
}

// short is a path as the reader of a report knows it.
func short(lab *course.Lab, path string) string {
	rel, err := filepath.Rel(lab.Root, path)
	if err != nil {
		return path
	}
	return filepath.ToSlash(rel)
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}
