package course

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

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
	return lab, nil
}

// root finds the workbook's top folder: the nearest one upwards from dir that
// holds a go.work.
func root(dir string) (string, error) {
	for up := dir; ; up = filepath.Dir(up) {
		_, err := os.Stat(filepath.Join(up, "go.work"))
		if err == nil {
			return up, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return "", err
		}
		if up == filepath.Dir(up) {
			return "", fmt.Errorf("%s is not inside the workbook: no folder above it has a go.work", dir)
		}
	}
}

// StageOf returns the stage that has a test of this name, nil when none has.
func (l *Lab) StageOf(test string) *Stage {
	for i := range l.Stages {
		for _, t := range l.Stages[i].Tests {
			if t.Name == test {
				return &l.Stages[i]
			}
		}
	}
	return nil
}
