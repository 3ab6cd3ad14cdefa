// Package sources says whose code is compiled. A Set is the code that somebody
// wrote for a lab: the learner, the author of the solution, a solution with a
// known bug, a student who handed in a folder. The tests, the harness, the
// program and the given files always come from the course, so that every Set
// is judged by the same laws and editing a test gains nothing.
package sources

import (
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"workbook.example/tools/course"
	"workbook.example/tools/result"
)

// The kinds of source, as a result names them.
const (
	KindLearner  = "learner"
	KindSolution = "solution"
	KindBug      = "bug"
	KindFolder   = "folder"
)

// Set is the code that somebody wrote for a lab.
type Set struct {
	Lab    *course.Lab
	Source result.Source

	// Missing are the editable files that the set does not have. A right
	// solution may be divided into other files, so that is no error as long as
	// it compiles.
	Missing []string

	// Without names files of the lab's folder that the build need not see:
	// tests that nobody is going to run, which cost as much time as the rest.
	// It has no effect on a learner's set, which is built as it is.
	Without []string

	shown string            // what a reader calls the folder that the files are from
	files map[string][]byte // nil: the lab's folder as it is
}

// Learner is the code in the lab's own folder, as it is.
func Learner(lab *course.Lab) (*Set, error) {
	s := &Set{Lab: lab, Source: result.Source{Kind: KindLearner}, shown: lab.Path()}
	for _, name := range lab.Editable {
		if _, err := os.Stat(filepath.Join(lab.Dir, name)); err != nil {
			s.Missing = append(s.Missing, name)
		}
	}
	return s, nil
}

// Solution is the course's own solution.
func Solution(lab *course.Lab) (*Set, error) {
	dir := SolutionDir(lab)
	files, err := read(lab, dir)
	if err != nil {
		return nil, err
	}
	s := newSet(lab, result.Source{Kind: KindSolution}, path.Join("solutions", lab.Folder), files)
	if len(s.Missing) > 0 {
		return nil, fmt.Errorf("%s has no %s", s.shown, strings.Join(s.Missing, ", "))
	}
	return s, nil
}

// SolutionDir is the folder of the course's own solution of a lab.
func SolutionDir(lab *course.Lab) string {
	return filepath.Join(lab.Root, "solutions", lab.Folder)
}

// Folder is the code in a folder: a lab's folder, or one that holds the labs'
// folders by name, as a student's own copy of the workbook does.
func Folder(lab *course.Lab, dir string) (*Set, error) {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is not a folder", dir)
	}
	for _, below := range []string{filepath.Join("labs", lab.Folder), lab.Folder, "."} {
		at := filepath.Join(dir, below)
		// A link in what somebody handed in leads to what he did not hand in.
		if info, err := os.Lstat(at); err != nil || below != "." && !info.IsDir() {
			continue
		}
		files, err := read(lab, at)
		if err != nil {
			return nil, err
		}
		s := newSet(lab, result.Source{Kind: KindFolder, Name: dir}, filepath.ToSlash(at), files)
		if len(s.Missing) < len(lab.Editable) {
			return s, nil
		}
	}
	return nil, &EmptyError{Lab: lab, Dir: dir}
}

// EmptyError says that a folder has nothing of a lab.
type EmptyError struct {
	Lab *course.Lab
	Dir string
}

func (e *EmptyError) Error() string {
	return fmt.Sprintf("%s has none of lab %d's files (%s), neither itself nor in %s",
		e.Dir, e.Lab.Number, strings.Join(e.Lab.Editable, ", "), e.Lab.Path())
}

func newSet(lab *course.Lab, source result.Source, shown string, files map[string][]byte) *Set {
	s := &Set{Lab: lab, Source: source, shown: shown, files: files}
	for _, name := range lab.Editable {
		if _, has := files[name]; !has {
			s.Missing = append(s.Missing, name)
		}
	}
	return s
}

// maxFile is far beyond what a person writes into one file.
const maxFile = 1 << 20

// read takes from dir what a Set may bring: editable files and new code beside
// them; never a test, a given file, or anything but a regular file.
func read(lab *course.Lab, dir string) (map[string][]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, entry := range entries {
		name := entry.Name()
		if !course.IsCode(name) || slices.Contains(lab.Given, name) {
			continue
		}
		at := filepath.Join(dir, name)
		info, err := entry.Info()
		if err != nil {
			return nil, err
		}
		switch {
		case info.Mode()&fs.ModeSymlink != 0:
			return nil, fmt.Errorf("%s is a symbolic link; hand in the file itself", at)
		case !info.Mode().IsRegular():
			return nil, fmt.Errorf("%s is not a regular file", at)
		case info.Size() > maxFile:
			return nil, fmt.Errorf("%s is larger than %d KiB, which no source file of a lab needs to be", at, maxFile>>10)
		}
		if files[name], err = os.ReadFile(at); err != nil {
			return nil, err
		}
	}
	return files, nil
}

// Placed is where a Set's files are while it is built and run.
type Placed struct {
	Code    string // the folder that holds them
	Shown   string // what a reader calls the folder that they are from
	Overlay string // the file for `go build -overlay`; empty if none is needed
}

// Place writes what the Go build needs to see the lab's folder with the set's
// code in it, into dir, which must be the set's alone until the run is over.
func (s *Set) Place(dir string) (Placed, error) {
	if s.files == nil {
		return Placed{Code: s.Lab.Dir, Shown: s.shown}, nil
	}
	placed := Placed{Code: filepath.Join(dir, "code"), Shown: s.shown, Overlay: filepath.Join(dir, "overlay.json")}
	if err := os.Mkdir(placed.Code, 0o755); err != nil {
		return Placed{}, err
	}

	// What the lab's folder has and the set has not must be gone: an empty
	// replacement hides a file.
	replace := map[string]string{}
	entries, err := os.ReadDir(s.Lab.Dir)
	if err != nil {
		return Placed{}, err
	}
	for _, entry := range entries {
		if course.IsCode(entry.Name()) && !slices.Contains(s.Lab.Given, entry.Name()) {
			replace[filepath.Join(s.Lab.Dir, entry.Name())] = ""
		}
	}
	for _, name := range s.Without {
		replace[filepath.Join(s.Lab.Dir, name)] = ""
	}
	for _, name := range slices.Sorted(maps.Keys(s.files)) {
		at := filepath.Join(placed.Code, name)
		if err := os.WriteFile(at, s.files[name], 0o644); err != nil {
			return Placed{}, err
		}
		replace[filepath.Join(s.Lab.Dir, name)] = at
	}
	text, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return Placed{}, err
	}
	return placed, os.WriteFile(placed.Overlay, text, 0o644)
}
