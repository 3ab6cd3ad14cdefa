// Package course knows what there is to learn: labs, their stages, the laws
// that each stage is judged by, points and hints. It reads labs/*/lab.toml and
// labs/*/hints.md and holds no other knowledge.
package course

import (
	"fmt"
	"path"
	"slices"
	"strings"
)

// Lab is one lab, as its lab.toml describes it.
type Lab struct {
	Number int    `toml:"-"` // from the folder's name
	Folder string `toml:"-"` // e.g. 02-tcp-server
	Dir    string `toml:"-"` // absolute path of labs/<Folder>
	Root   string `toml:"-"` // absolute path of the workbook

	Title    string   `toml:"title"`
	Package  string   `toml:"package"`
	Program  string   `toml:"program"`  // folder below cmd/ of the program to run by hand
	Editable []string `toml:"editable"` // the files that a learner writes; all others come from the course
	Given    []string `toml:"given"`    // the finished .go files beside them, tests left out: a learner's own new file is in neither list
	Stages   []Stage  `toml:"stage"`
}

// Stage is a step of a lab.
type Stage struct {
	ID        int      `toml:"id"`
	Title     string   `toml:"title"`
	Extension bool     `toml:"extension"` // extension stages are extra: they do not count towards progress and grade
	Points    int      `toml:"points"`
	Minutes   int      `toml:"minutes"` // what it takes somebody who meets the subject for the first time
	Chapter   string   `toml:"chapter"` // what to read, a path from the workbook's root
	Files     []string `toml:"files"`   // the editable files that this stage asks for
	Tests     []Test   `toml:"test"`
}

// Test is one law of a stage.
type Test struct {
	Name string   `toml:"name"`
	Law  string   `toml:"law"`  // what should hold, a sentence
	Why  string   `toml:"why"`  // why it matters, a sentence
	Look []string `toml:"look"` // functions where the law is kept, e.g. "Decoder.Next", the likeliest first
}

// Path is the lab's folder as it is written for a reader: with slashes, from
// the workbook's root.
func (l *Lab) Path() string { return path.Join("labs", l.Folder) }

// Short is the folder's name without its number, e.g. tcp-server.
func (l *Lab) Short() string {
	_, short, _ := strings.Cut(l.Folder, "-")
	return short
}

// Stage finds a stage by its number.
func (l *Lab) Stage(id int) (*Stage, error) {
	for i := range l.Stages {
		if l.Stages[i].ID == id {
			return &l.Stages[i], nil
		}
	}
	return nil, fmt.Errorf("lab %d has stages 1 to %d, and no stage %d", l.Number, len(l.Stages), id)
}

// StageOf finds the stage that a test belongs to; nil if it is in none.
func (l *Lab) StageOf(test string) *Stage {
	for i := range l.Stages {
		if l.Stages[i].Test(test) != nil {
			return &l.Stages[i]
		}
	}
	return nil
}

// Test finds a test of the stage; nil if it has none of that name.
func (s *Stage) Test(name string) *Test {
	i := slices.IndexFunc(s.Tests, func(t Test) bool { return t.Name == name })
	if i < 0 {
		return nil
	}
	return &s.Tests[i]
}

// Heading is the stage's heading in README.md and hints.md, e.g.
// "4. Log in and register".
func (s *Stage) Heading() string { return fmt.Sprintf("%d. %s", s.ID, s.Title) }

// Anchor is the address of the stage's heading within README.md, as GitHub
// makes it: lower case, spaces to hyphens, punctuation dropped.
func (s *Stage) Anchor() string { return slug(s.Heading()) }

// Read is the place of the brief that is about a stage, e.g.
// labs/02-tcp-server/README.md#4-log-in-and-register.
func (l *Lab) Read(s *Stage) string { return path.Join(l.Path(), "README.md") + "#" + s.Anchor() }
