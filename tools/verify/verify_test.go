package verify_test

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/course"
	"workbook.example/tools/verify"
)

var update = flag.Bool("update", false, "write the golden files")

// proof verifies a lab of the workbook in testdata and compares what is said
// with a golden file.
func proof(t *testing.T, lab, said string) *verify.Report {
	t.Helper()
	workbook, err := course.Open(filepath.Join("testdata", "workbook"))
	require.NoError(t, err)
	which, err := workbook.Lab(lab)
	require.NoError(t, err)
	report, err := verify.Lab(t.Context(), which, verify.Options{})
	require.NoError(t, err)
	require.Positive(t, report.Seconds)

	var out bytes.Buffer
	require.NoError(t, report.Write(&out))
	got := steady(out.Bytes())
	golden := filepath.Join("testdata", said+".golden")
	if *update {
		require.NoError(t, os.WriteFile(golden, got, 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
	return report
}

var temporary = regexp.MustCompile(`\S*/workbook-\d+/`)

// steady replaces what differs from run to run.
func steady(text []byte) []byte {
	return temporary.ReplaceAll(text, []byte("TMP/"))
}

func TestALabThatIsRightIsProven(t *testing.T) {
	report := proof(t, "right", "right")
	require.True(t, report.OK())
	require.Empty(t, report.Findings)
	require.Equal(t, "lab 1: 2 stages, 3 tests, 7 bugs, all caught", report.String())
}

func TestABugThatGetsAwayAtFirstIsNamed(t *testing.T) {
	t.Setenv("VERIFY_RIGHT_AT_FIRST", filepath.Join(t.TempDir(), "once"))
	report := proof(t, "right", "lucky")
	require.True(t, report.OK())
}

func TestABugThatCannotBeTriedHereIsNotAgainstALab(t *testing.T) {
	t.Setenv("VERIFY_NOT_HERE", "yes")
	report := proof(t, "right", "elsewhere")
	require.True(t, report.OK())
	require.Equal(t, 4, report.NotTried)
}

func TestEverythingThatIsWrongIsFound(t *testing.T) {
	report := proof(t, "wrong", "wrong")
	require.False(t, report.OK())
	require.Equal(t, "lab 2: 2 stages, 4 tests, 7 bugs, 7 not caught; 30 findings above", report.String())
}

func TestProgressReachesItsTotal(t *testing.T) {
	workbook, err := course.Open(filepath.Join("testdata", "workbook"))
	require.NoError(t, err)
	lab, err := workbook.Lab("right")
	require.NoError(t, err)
	seen := map[int]string{}
	_, err = verify.Lab(t.Context(), lab, verify.Options{Progress: func(done, total int, what string) {
		require.Equal(t, 9, total)
		seen[done] = what
	}})
	require.NoError(t, err)
	require.Len(t, seen, 9)
	require.Equal(t, "stubs", seen[1])
}
