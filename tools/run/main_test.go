package run_test

import (
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/course"
	"workbook.example/tools/sandbox"
)

var update = flag.Bool("update", false, "write the golden files anew")

func TestMain(m *testing.M) {
	sandbox.Init()
	os.Exit(m.Run())
}

// golden compares text with a file of testdata.
func golden(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "go test -update writes it")
	require.Equal(t, string(want), text)
}

// workbook copies the small course of testdata and lets the learner's code be
// the solution, so that an accident is one change away.
func workbook(t *testing.T) *course.Lab {
	t.Helper()
	root := t.TempDir()
	require.NoError(t, os.CopyFS(root, os.DirFS(filepath.Join("testdata", "course"))))
	tools, err := filepath.Abs("..")
	require.NoError(t, err)
	lab := filepath.Join(root, "labs", "01-echo")
	edit(t, filepath.Join(root, "go.work"), "../../..", filepath.ToSlash(tools))
	edit(t, filepath.Join(lab, "go.mod"), "../../../../..", filepath.ToSlash(tools))
	for _, name := range []string{"sum.go", "server.go"} {
		text, err := os.ReadFile(filepath.Join(root, "solutions", "01-echo", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(lab, name), text, 0o644))
	}
	found, err := course.Load(lab)
	require.NoError(t, err)
	return found
}

// checkedIn makes the workbook a git checkout of all that is in it.
func checkedIn(t *testing.T, lab *course.Lab) {
	t.Helper()
	for _, args := range [][]string{
		{"init", "-q"},
		{"add", "."},
		{"-c", "user.name=Course", "-c", "user.email=course@workbook.example", "commit", "-q", "-m", "The course"},
	} {
		cmd := exec.Command("git", args...)
		cmd.Dir = lab.Root
		out, err := cmd.CombinedOutput()
		require.NoError(t, err, "git %v: %s", args, out)
	}
}

// edit replaces a text that is in a file once.
func edit(t *testing.T, file, from, to string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, 1, strings.Count(string(text), from), "%s: %q", file, from)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(text), from, to, 1)), 0o644))
}
