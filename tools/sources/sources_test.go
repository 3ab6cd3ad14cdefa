package sources_test

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/course"
	"workbook.example/tools/result"
	"workbook.example/tools/sources"
)

// workbook copies the small course that package run is tested with.
func workbook(t *testing.T) *course.Lab {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.CopyFS(root, os.DirFS(filepath.Join("..", "run", "testdata", "course"))))
	lab, err := course.Load(filepath.Join(root, "labs", "01-echo"))
	require.NoError(t, err)
	return lab
}

func write(t *testing.T, file, text string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(filepath.Dir(file), 0o755))
	require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
}

// placed are the files that a build would see instead of those of the lab's
// folder; an empty text stands for a file that it would not see.
func placed(t *testing.T, set *sources.Set) map[string]string {
	t.Helper()
	place, err := set.Place(t.TempDir())
	require.NoError(t, err)
	if place.Overlay == "" {
		return nil
	}
	text, err := os.ReadFile(place.Overlay)
	require.NoError(t, err)
	var overlay struct{ Replace map[string]string }
	require.NoError(t, json.Unmarshal(text, &overlay))
	files := map[string]string{}
	for at, from := range overlay.Replace {
		require.Equal(t, set.Lab.Dir, filepath.Dir(at))
		name := filepath.Base(at)
		files[name] = ""
		if from != "" {
			require.Equal(t, place.Code, filepath.Dir(from))
			text, err := os.ReadFile(from)
			require.NoError(t, err)
			files[name] = string(text)
		}
	}
	return files
}

func TestTheLearnersFolderIsAsItIs(t *testing.T) {
	lab := workbook(t)
	set, err := sources.Learner(lab)
	require.NoError(t, err)
	require.Nil(t, placed(t, set))
	require.Empty(t, set.Missing)

	require.NoError(t, os.Remove(filepath.Join(lab.Dir, "sum.go")))
	set, err = sources.Learner(lab)
	require.NoError(t, err)
	require.Equal(t, []string{"sum.go"}, set.Missing)
}

func TestTheSolutionReplacesWhatALearnerWrites(t *testing.T) {
	lab := workbook(t)
	write(t, filepath.Join(lab.Dir, "mine.go"), "package echo\n")
	write(t, filepath.Join(lab.Dir, "mine_test.go"), "package echo\n")
	set, err := sources.Solution(lab)
	require.NoError(t, err)
	require.Equal(t, result.Source{Kind: "solution"}, set.Source)
	files := placed(t, set)
	require.ElementsMatch(t, []string{"sum.go", "server.go", "mine.go"}, slices.Collect(maps.Keys(files)))
	require.Contains(t, files["sum.go"], "a + b")
	require.Empty(t, files["mine.go"])
}

func TestAFolderBringsCodeAndNothingElse(t *testing.T) {
	lab := workbook(t)
	dir := t.TempDir()
	write(t, filepath.Join(dir, "sum.go"), "package echo // sum")
	write(t, filepath.Join(dir, "more.go"), "package echo // more")
	write(t, filepath.Join(dir, "doc.go"), "package echo // not the course's")
	write(t, filepath.Join(dir, "harness_test.go"), "package echo_test")
	write(t, filepath.Join(dir, "go.mod"), "module evil")
	write(t, filepath.Join(dir, "asm.s"), "TEXT")
	write(t, filepath.Join(dir, "cmd", "echod", "main.go"), "package main")
	set, err := sources.Folder(lab, dir)
	require.NoError(t, err)
	require.Equal(t, []string{"server.go"}, set.Missing)
	require.Equal(t, map[string]string{
		"sum.go":    "package echo // sum",
		"more.go":   "package echo // more",
		"server.go": "", // the course's stub must not be taken for the student's work
	}, placed(t, set))
}

func TestAFolderIsFoundInItsUsualPlaces(t *testing.T) {
	lab := workbook(t)
	for _, below := range []string{".", "01-echo", "labs/01-echo"} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, below, "sum.go"), "package echo")
		set, err := sources.Folder(lab, dir)
		require.NoError(t, err)
		require.Equal(t, result.Source{Kind: "folder", Name: dir}, set.Source)
	}
	_, err := sources.Folder(lab, t.TempDir())
	var empty *sources.EmptyError
	require.ErrorAs(t, err, &empty)
	_, err = sources.Folder(lab, filepath.Join(lab.Dir, "sum.go"))
	require.ErrorContains(t, err, "is not a folder")
}

func TestNoLinksAndNoGiants(t *testing.T) {
	lab := workbook(t)
	dir := t.TempDir()
	if err := os.Symlink(filepath.Join(lab.Dir, "sum.go"), filepath.Join(dir, "sum.go")); err != nil {
		t.Skip(err)
	}
	_, err := sources.Folder(lab, dir)
	require.ErrorContains(t, err, "symbolic link")

	dir = t.TempDir()
	require.NoError(t, os.Symlink(lab.Dir, filepath.Join(dir, "01-echo")))
	_, err = sources.Folder(lab, dir)
	var empty *sources.EmptyError
	require.ErrorAs(t, err, &empty)

	dir = t.TempDir()
	write(t, filepath.Join(dir, "sum.go"), string(make([]byte, 1<<20+1)))
	_, err = sources.Folder(lab, dir)
	require.ErrorContains(t, err, "larger than 1024 KiB")

	dir = t.TempDir()
	require.NoError(t, os.Mkdir(filepath.Join(dir, "sum.go"), 0o755))
	_, err = sources.Folder(lab, dir)
	require.ErrorContains(t, err, "not a regular file")
}

func TestABugIsTheSolutionWithAPatch(t *testing.T) {
	lab := workbook(t)
	bugs, err := sources.Bugs(lab)
	require.NoError(t, err)
	require.Equal(t, []sources.BugInfo{
		{Slug: "counts-twice", Bug: "clients are counted twice, in a file of its own", Stage: 3, CaughtBy: "TestServedCountsClients", Says: "Served is 2"},
		{Slug: "subtracts", Bug: "parts are subtracted", Stage: 1, CaughtBy: "TestSumAdds", Says: "expected 5", Seed: []string{"S1", "S2"}},
	}, bugs)

	set, err := sources.Bug(lab, "subtracts")
	require.NoError(t, err)
	require.Equal(t, result.Source{Kind: "bug", Name: "subtracts"}, set.Source)
	require.Contains(t, placed(t, set)["sum.go"], "a - b")

	set, err = sources.Bug(lab, "counts-twice")
	require.NoError(t, err)
	files := placed(t, set)
	require.Contains(t, files["server.go"], "s.served += each")
	require.Contains(t, files["each.go"], "const each = 2")

	for _, slug := range []string{"nosuch", "../bugs/subtracts", ""} {
		_, err = sources.Bug(lab, slug)
		require.ErrorContains(t, err, "has no bug", slug)
	}
}

func TestAPatchThatCannotBeMeantIsRefused(t *testing.T) {
	const header = "Bug: a bug\nStage: 1\nCaught-by: TestSumAdds\nSays: five\n\n"
	const diff = "--- a/sum.go\n+++ b/sum.go\n@@ -5,2 +5,2 @@\n-\treturn a + b\n+\treturn a - b\n }\n"
	for want, patch := range map[string]string{
		"changes nothing":     header,
		"the header has no B": "Stage: 1\nCaught-by: TestSumAdds\nSays: five\n\n" + diff,
		"not a number":        "Bug: a bug\nStage: one\nCaught-by: TestSumAdds\nSays: five\n\n" + diff,
		"no stage 7":          "Bug: a bug\nStage: 7\nCaught-by: TestSumAdds\nSays: five\n\n" + diff,
		`no test "TestX"`:     "Bug: a bug\nStage: 1\nCaught-by: TestX\nSays: five\n\n" + diff,
		"unknown key":         "Bogus: a bug\n" + header + diff,
		"conflict":            header + "--- a/sum.go\n+++ b/sum.go\n@@ -5,2 +5,2 @@\n-\treturn a * b\n+\treturn a - b\n }\n",
		"does not have":       header + "--- a/other.go\n+++ b/other.go\n@@ -1 +1 @@\n-a\n+b\n",
	} {
		lab := workbook(t)
		write(t, filepath.Join(lab.Root, "solutions", "01-echo", "bugs", "wrong.patch"), patch)
		_, err := sources.Bug(lab, "wrong")
		require.ErrorContains(t, err, want)
		require.ErrorContains(t, err, "wrong")
	}
}

func TestWhatNobodyRunsIsNotBuilt(t *testing.T) {
	lab := workbook(t)
	set, err := sources.Solution(lab)
	require.NoError(t, err)
	set.Without = []string{"stage2_echo_test.go"}
	files := placed(t, set)
	text, hidden := files["stage2_echo_test.go"]
	require.True(t, hidden)
	require.Empty(t, text)
	require.NotContains(t, files, "stage1_sums_test.go")
}
