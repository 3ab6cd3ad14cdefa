package sources

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/bluekeyes/go-gitdiff/gitdiff"

	"workbook.example/tools/course"
	"workbook.example/tools/result"
)

// BugInfo is the header of a bug's patch: what is wrong, and what must say so.
type BugInfo struct {
	Slug     string   `json:"slug"`           // the patch's name
	Bug      string   `json:"bug"`            // what is wrong, a short sentence
	Stage    int      `json:"stage"`          // the first stage that must fail
	CaughtBy string   `json:"caught_by"`      // the test that must fail
	Says     string   `json:"says"`           // what the test's message must contain
	Seed     []string `json:"seed,omitempty"` // the defects of the seed that it stands for
	Race     bool     `json:"race,omitempty"` // only the race detector can catch it
}

// Bugs reads the headers of all the bugs of a lab, by slug. The error names
// every patch that cannot be read; the others are returned beside it.
func Bugs(lab *course.Lab) ([]BugInfo, error) {
	patches, err := filepath.Glob(filepath.Join(SolutionDir(lab), "bugs", "*.patch"))
	if err != nil {
		return nil, err
	}
	var bugs []BugInfo
	var wrong []error
	for _, patch := range patches {
		info, _, err := parseBug(lab, patch)
		if err != nil {
			wrong = append(wrong, err)
			continue
		}
		bugs = append(bugs, info)
	}
	return bugs, errors.Join(wrong...)
}

// Bug is the solution, made wrong by the patch that slug names.
func Bug(lab *course.Lab, slug string) (*Set, error) {
	solution, err := Solution(lab)
	if err != nil {
		return nil, err
	}
	patch := filepath.Join(SolutionDir(lab), "bugs", slug+".patch")
	if _, err := os.Stat(patch); err != nil || filepath.Base(slug) != slug {
		return nil, fmt.Errorf("lab %d has no bug %q; its bugs are the .patch files in solutions/%s/bugs", lab.Number, slug, lab.Folder)
	}
	_, changes, err := parseBug(lab, patch)
	if err != nil {
		return nil, err
	}
	files := maps.Clone(solution.files)
	for _, change := range changes {
		if err := apply(files, change); err != nil {
			return nil, fmt.Errorf("bug %s: %w", slug, err)
		}
	}
	return newSet(lab, result.Source{Kind: KindBug, Name: slug}, solution.shown, files), nil
}

// apply changes files as one file's part of a patch says. Patches may name
// files from the repository's root or from the solution's folder.
func apply(files map[string][]byte, change *gitdiff.File) error {
	name := path.Base(change.OldName)
	if change.IsNew {
		name = path.Base(change.NewName)
	}
	before, has := files[name]
	if !has && !change.IsNew {
		return fmt.Errorf("it changes %s, which the solution does not have", name)
	}
	var after bytes.Buffer
	if err := gitdiff.Apply(&after, bytes.NewReader(before), change); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	if change.IsDelete {
		delete(files, name)
		return nil
	}
	files[name] = after.Bytes()
	return nil
}

func parseBug(lab *course.Lab, patch string) (BugInfo, []*gitdiff.File, error) {
	text, err := os.ReadFile(patch)
	if err != nil {
		return BugInfo{}, nil, err
	}
	slug := strings.TrimSuffix(filepath.Base(patch), ".patch")
	changes, header, err := gitdiff.Parse(bytes.NewReader(text))
	if err != nil {
		return BugInfo{}, nil, fmt.Errorf("bug %s: %w", slug, err)
	}
	if len(changes) == 0 {
		return BugInfo{}, nil, fmt.Errorf("bug %s: the patch changes nothing", slug)
	}
	info, err := parseHeader(lab, header)
	if err != nil {
		return BugInfo{}, nil, fmt.Errorf("bug %s: %w", slug, err)
	}
	info.Slug = slug
	return info, changes, nil
}

func parseHeader(lab *course.Lab, header string) (BugInfo, error) {
	var info BugInfo
	for line := range strings.Lines(header) {
		line = strings.TrimSpace(line)
		if line == "" {
			continue
		}
		key, value, ok := strings.Cut(line, ":")
		value = strings.TrimSpace(value)
		if !ok || value == "" {
			return info, fmt.Errorf("a header line is `Key: value`, not %q", line)
		}
		switch key {
		case "Bug":
			info.Bug = value
		case "Stage":
			n, err := strconv.Atoi(value)
			if err != nil {
				return info, fmt.Errorf("its Stage, %q, is not a number", value)
			}
			info.Stage = n
		case "Caught-by":
			info.CaughtBy = value
		case "Says":
			info.Says = value
		case "Seed":
			for row := range strings.SplitSeq(value, ",") {
				info.Seed = append(info.Seed, strings.TrimSpace(row))
			}
		case "Race":
			if value != "yes" {
				return info, fmt.Errorf("its Race is yes, or there is no such line")
			}
			info.Race = true
		default:
			return info, fmt.Errorf("the header has an unknown key %q (it knows Bug, Stage, Caught-by, Says, Seed, Race)", key)
		}
	}
	stage, err := lab.Stage(info.Stage)
	switch {
	case info.Bug == "":
		return info, fmt.Errorf("the header has no Bug")
	case err != nil:
		return info, fmt.Errorf("its Stage: %w", err)
	case info.Says == "":
		return info, fmt.Errorf("the header has no Says")
	case !slices.ContainsFunc(stage.Tests, func(t course.Test) bool { return t.Name == info.CaughtBy }):
		return info, fmt.Errorf("its Caught-by: stage %d has no test %q", info.Stage, info.CaughtBy)
	}
	return info, nil
}
