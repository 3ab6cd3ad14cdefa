package course

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// ErrNoWorkbook says that a folder is not inside a workbook.
var ErrNoWorkbook = errors.New("this folder is not inside a workbook")

// Load reads the lab in labDir, a folder with a lab.toml.
func Load(labDir string) (*Lab, error) {
	dir, err := filepath.Abs(labDir)
	if err != nil {
		return nil, err
	}
	lab := &Lab{Folder: filepath.Base(dir), Dir: dir}
	number, _, _ := strings.Cut(lab.Folder, "-")
	if lab.Number, err = strconv.Atoi(number); err != nil {
		return nil, fmt.Errorf("%s: a lab's folder is named like 02-tcp-server", dir)
	}
	if lab.Root, err = root(dir); err != nil {
		return nil, err
	}

	manifest := filepath.Join(dir, "lab.toml")
	text, err := os.ReadFile(manifest)
	if err != nil {
		return nil, err
	}
	// A key that nobody reads is a key that somebody misspelled.
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(lab); err != nil {
		var strict *toml.StrictMissingError
		if errors.As(err, &strict) {
			return nil, fmt.Errorf("%s: unknown key\n%s", manifest, strict.String())
		}
		return nil, fmt.Errorf("%s: %w", manifest, err)
	}
	if err := lab.check(); err != nil {
		return nil, fmt.Errorf("%s: %w", manifest, err)
	}
	return lab, nil
}

// root finds the workbook's top folder: the nearest one upwards from dir that
// holds a go.work and labs beside it.
func root(dir string) (string, error) {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	for up := dir; ; up = filepath.Dir(up) {
		work, errWork := os.Stat(filepath.Join(up, "go.work"))
		labs, errLabs := os.Stat(filepath.Join(up, "labs"))
		if errWork == nil && errLabs == nil && work.Mode().IsRegular() && labs.IsDir() {
			return up, nil
		}
		if up == filepath.Dir(up) {
			return "", fmt.Errorf("%s: %w", dir, ErrNoWorkbook)
		}
	}
}

// check refuses a manifest that would make a run meaningless. Whether the rest
// of the lab agrees with it is for `lab verify` to say.
func (l *Lab) check() error {
	switch {
	case l.Title == "":
		return errors.New("title is missing")
	case l.Package == "":
		return errors.New("package is missing")
	case len(l.Editable) == 0:
		return errors.New("editable names no file, so there is nothing to write")
	case len(l.Stages) == 0:
		return errors.New("there is no [[stage]]")
	}
	for _, name := range append(slices.Clone(l.Editable), l.Given...) {
		if !IsCode(name) {
			return fmt.Errorf("%q must be the name of a .go file of the lab's folder that is not a test", name)
		}
	}
	for _, name := range l.Given {
		if slices.Contains(l.Editable, name) {
			return fmt.Errorf("%s is both editable and given", name)
		}
	}
	in := map[string]int{}
	for i := range l.Stages {
		s := &l.Stages[i]
		if s.ID != i+1 {
			return fmt.Errorf("stage %d has the id %d; stages are numbered from 1 without a gap", i+1, s.ID)
		}
		if s.Title == "" || len(s.Tests) == 0 {
			return fmt.Errorf("stage %d needs a title and at least one [[stage.test]]", s.ID)
		}
		for _, t := range s.Tests {
			if !strings.HasPrefix(t.Name, "Test") {
				return fmt.Errorf("stage %d: %q is not the name of a test", s.ID, t.Name)
			}
			if other, taken := in[t.Name]; taken {
				return fmt.Errorf("%s is in stage %d and in stage %d", t.Name, other, s.ID)
			}
			in[t.Name] = s.ID
		}
	}
	return nil
}

// IsCode reports whether name is that of a Go source file which a learner may
// write: in the lab's own folder, and not a test.
func IsCode(name string) bool {
	return filepath.Base(name) == name && strings.HasSuffix(name, ".go") &&
		!strings.HasSuffix(name, "_test.go") && !strings.HasPrefix(name, ".") && !strings.HasPrefix(name, "_")
}
