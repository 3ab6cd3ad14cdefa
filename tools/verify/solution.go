package verify

import (
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/course"
	"workbook.example/tools/result"
	"workbook.example/tools/run"
	"workbook.example/tools/sources"
)

// Solution is the test of a solution's module: it runs the laws of the lab that
// has the same folder name on the solution in the current folder, so that
// `go test` there means what one expects. Each folder in others/, if there are
// any, is a right solution written in another way, and must pass as well. The
// module's TestMain calls sandbox.Init first.
func Solution(t *testing.T) {
	here, err := filepath.Abs(".")
	require.NoError(t, err)
	c, err := course.Open(here)
	require.NoError(t, err)
	lab, err := c.Lab(filepath.Base(here))
	require.NoError(t, err)
	set, err := sources.Solution(lab)
	require.NoError(t, err)
	t.Run("solution", func(t *testing.T) { passes(t, lab, set) })

	others, err := filepath.Glob(filepath.Join(here, "others", "*"))
	require.NoError(t, err)
	for _, dir := range others {
		set, err := sources.Folder(lab, dir)
		require.NoError(t, err)
		t.Run(filepath.Base(dir), func(t *testing.T) { passes(t, lab, set) })
	}
}

// passes runs a lab on a set, all of whose tests must pass.
func passes(t *testing.T, lab *course.Lab, set *sources.Set) {
	r, err := run.Run(t.Context(), lab, set, run.Options{})
	require.NoError(t, err)
	if r.Build != nil {
		t.Fatalf("it does not build:\n%s", r.Build.Text())
	}
	for _, stage := range r.Stages {
		for _, test := range stage.Tests {
			t.Run(test.Name, func(t *testing.T) {
				switch test.Verdict {
				case result.Pass:
				case result.NotRun:
					t.Skip(test.Failure.Text())
				default:
					t.Errorf("%s\n%s", test.Verdict, test.Failure.Text())
				}
			})
		}
	}
}
