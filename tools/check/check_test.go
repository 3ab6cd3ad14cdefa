package check_test

import (
	"bytes"
	"context"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/check"
)

func TestGoTestCountsWhatRan(t *testing.T) {
	t.Setenv("GOWORK", "off")
	tally, said := check.GoTest(t.Context(), []string{"testdata/module"})
	require.Equal(t, 1, tally.Passed)
	require.Equal(t, 3, tally.Failed, "a test, a package that does not build, and one that never came to an end")
	require.Contains(t, tally.Skipped, "example.test/module/good TestCannotRunHere: needs a thing (apt-get install thing)")
	require.Contains(t, said, "the second part is wrong")
	require.Contains(t, said, "undefined: undefined")
	require.Contains(t, said, "this is the last that is heard")
	require.NotContains(t, said, "TestPasses")
	require.NotContains(t, said, "=== RUN")
}

func TestFuzzFindsWhatFails(t *testing.T) {
	t.Setenv("GOWORK", "off")
	dir := t.TempDir() // what is found is written there
	require.NoError(t, os.CopyFS(dir, os.DirFS("testdata/fuzzed")))
	tally, said := check.Fuzz(t.Context(), dir, "FuzzHolds", time.Second)
	require.Equal(t, check.Tally{Passed: 1}, tally, said)
	require.Equal(t, "FuzzHolds for 1s", said)
	tally, said = check.Fuzz(t.Context(), dir, "FuzzFails", 10*time.Second)
	require.Equal(t, check.Tally{Failed: 1}, tally, said)
	require.Contains(t, said, "not three bytes")
	tally, said = check.Fuzz(t.Context(), dir, "FuzzNothing", time.Second)
	require.Equal(t, check.Tally{Failed: 1}, tally, said)
	require.Contains(t, said, "FuzzNothing was not fuzzed")
}

func TestRunGoesOnAfterAFailureAndEndsWithTheSum(t *testing.T) {
	step := func(name string, tally check.Tally, said string) check.Step {
		return check.Step{Name: name, Do: func(context.Context) (check.Tally, string) { return tally, said }}
	}
	var out bytes.Buffer
	total := check.Run(t.Context(), &out, []check.Step{
		step("first", check.Tally{Failed: 1}, "this is wrong\nand so is this"),
		step("second", check.Tally{Passed: 3}, "3 modules"),
		step("third", check.Tally{Skipped: []string{"third: not installed"}}, "not installed"),
	})
	require.Equal(t, check.Tally{Passed: 3, Failed: 1, Skipped: []string{"third: not installed"}}, total)
	require.Regexp(t, `^FAIL  first +0\.0 s  
      this is wrong
      and so is this
ok    second +0\.0 s  3 modules
skip  third +0\.0 s  not installed

Not exercised on this machine:
  - third: not installed

3 passed, 1 failed, 1 skipped
$`, out.String())
}
