package labtest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	"workbook.example/tools/course"
	"workbook.example/tools/result"
)

// lab is what is known about the lab whose tests these are.
type lab struct {
	*course.Lab        // nil for tests that are of no lab
	code        string // the folder where the judged files really are
	pkg         string // the import path of the judged code
}

// theLab reads the lab's description, once.
var theLab = sync.OnceValue(func() lab {
	dir := os.Getenv(result.EnvLab)
	if dir == "" {
		dir = "."
	}
	if _, err := os.Stat(filepath.Join(dir, "lab.toml")); errors.Is(err, fs.ErrNotExist) {
		return lab{}
	}
	found, err := course.Load(dir)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	l := lab{Lab: found, code: found.Dir, pkg: module + found.Path()}
	if code := os.Getenv(result.EnvCode); code != "" {
		if l.code, err = filepath.Abs(code); err != nil {
			l.code = code
		}
	}
	return l
})

// module begins the import path of everything in the workbook.
const module = "workbook.example/"

// explain adds to a failure what is known about the law of the test: what
// should hold and why, and what to do next.
func (t *T) explain(f result.Failure) *result.Failure {
	if f.Kind == result.KindLaw || f.Kind == result.KindHang || f.Kind == result.KindPanic {
		f.Ladder = t.talk.String()
	}
	if f.Seen == "" {
		f.Seen = result.Unsaid
	}
	if said := t.complaints(); said != "" {
		f.Detail = strings.TrimLeft(strings.TrimRight(f.Detail, "\n")+"\n\n"+said, "\n")
	}
	f.Seen, f.Detail = readable(f.Seen), readable(f.Detail)
	l := theLab()
	if l.Lab == nil {
		return &f
	}
	stage := l.StageOf(t.Name())
	if stage == nil || f.Kind == result.KindSkipped {
		return &f
	}
	if f.Kind != result.KindGate {
		law := stage.Test(t.Name())
		f.Law, f.Why = law.Law, law.Why
		for _, function := range law.Look {
			if file, line, ok := course.Locate(l.code, function); ok {
				f.Look = append(f.Look, fmt.Sprintf("%s:%d", l.short(filepath.Join(l.code, file)), line))
			}
		}
		if len(f.Look) == 0 { // the functions have been renamed or taken out
			f.Look = l.filesOf(stage)
		}
	}
	f.Look = few(f.Look)
	if f.Read == "" {
		f.Read = l.Read(stage)
		f.Hint = fmt.Sprintf("make hint %d", l.Number)
		f.Again = l.again(stage)
	}
	if t.wasSeeded() {
		f.Seed = fmt.Sprint(seed())
		f.Again += " SEED=" + f.Seed
	}
	return &f
}

// filesOf are the files that a stage asks for, as far as they are there.
func (l lab) filesOf(stage *course.Stage) []string {
	var found []string
	for _, name := range stage.Files {
		file := filepath.Join(l.code, name)
		if _, err := os.Stat(file); err == nil {
			found = append(found, l.short(file))
		}
	}
	return found
}

func (t *T) wasSeeded() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.seeded
}

// again is the command that runs a stage once more.
func (l lab) again(s *course.Stage) string {
	return fmt.Sprintf("make test-lab %d STAGE=%d", l.Number, s.ID)
}

// maxLook is how many places to look at are named.
const maxLook = 3

func few(places []string) []string {
	var out []string
	for _, p := range places {
		if !slices.Contains(out, p) && len(out) < maxLook {
			out = append(out, p)
		}
	}
	return out
}

// short is the path of a file as a reader looks for it: from the workbook's
// root where it is inside. A file of the judged code is shown where it really
// is, not where the build was made to believe it to be.
func (l lab) short(file string) string {
	file = filepath.ToSlash(file)
	elsewhere := path.Join(path.Base(path.Dir(file)), path.Base(file)) // the standard library, another module
	if l.Lab == nil {
		return elsewhere
	}
	root, code := filepath.ToSlash(l.Root)+"/", filepath.ToSlash(l.code)+"/"
	inside := strings.TrimPrefix(strings.TrimPrefix(file, root), module) // -trimpath leaves import paths
	if name, ok := strings.CutPrefix(inside, l.Path()+"/"); ok && course.IsCode(name) {
		file = code + name
		inside = strings.TrimPrefix(file, root)
	}
	if inside != file || strings.HasPrefix(file, code) {
		return inside
	}
	return elsewhere
}
