package run

import (
	"context"
	"fmt"
	"os/exec"
	"path"
	"slices"
	"strings"

	"workbook.example/tools/course"
	"workbook.example/tools/sources"
)

// changes are the files of the course, in a lab's folder, that are no longer
// as the course gives them.
type changes struct {
	edited  []string // paths from the workbook's root
	deleted []string
	known   bool // git could be asked
}

// findChanges asks git. Only the learner works in the lab's folder; for other
// sets it is the course's.
func findChanges(ctx context.Context, set *sources.Set) changes {
	if set.Source.Kind != sources.KindLearner {
		return changes{}
	}
	// Without optional locks, or a run would get into the way of a commit.
	cmd := exec.CommandContext(ctx, "git", "--no-optional-locks", "status", "--porcelain", "-z", "--no-renames", "--untracked-files=no", "--", set.Lab.Path())
	cmd.Dir = set.Lab.Root
	out, err := cmd.Output()
	if err != nil {
		return changes{} // no git, or no checkout: nothing to compare with
	}
	c := changes{known: true}
	// Paths of git status -z start at the checkout's root, which need not be
	// the workbook's.
	for _, entry := range strings.Split(string(out), "\x00") {
		if len(entry) < 4 {
			continue
		}
		_, below, ok := strings.Cut(entry[3:], set.Lab.Path()+"/")
		if !ok || slices.Contains(set.Lab.Editable, below) || !guarded(below) {
			continue
		}
		file := path.Join(set.Lab.Path(), below)
		if strings.Contains(entry[:2], "D") {
			c.deleted = append(c.deleted, file)
		} else {
			c.edited = append(c.edited, file)
		}
	}
	return c
}

// guarded reports whether a file of the lab's folder has a say in verdicts.
func guarded(below string) bool {
	return strings.HasSuffix(below, "_test.go") || course.IsCode(below) || below == "go.mod" || below == "lab.toml"
}

// committed is a file as the last commit has it, by its path from the
// workbook's root. That is the course's own, or the learner's where he commits
// his work: then it is what he last knew.
func committed(ctx context.Context, root, file string) ([]byte, bool) {
	cmd := exec.CommandContext(ctx, "git", "show", "HEAD:./"+file)
	cmd.Dir = root
	text, err := cmd.Output()
	return text, err == nil
}

// notes are about edited files only: of a deleted one, the verdicts speak.
func (c changes) notes() []string {
	var notes []string
	for _, file := range c.edited {
		notes = append(notes, fmt.Sprintf(noteEdited, file, file))
	}
	return notes
}
