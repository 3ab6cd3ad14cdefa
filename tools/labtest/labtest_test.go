package labtest_test

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/result"
)

var update = flag.Bool("update", false, "write the golden files anew")

// fixtureDir is a lab whose code has every fault that labtest has words for.
const fixtureDir = "testdata/workbook/labs/01-fixture"

// fixture builds the tests of that lab, once.
var fixture = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "labtest")
	if err != nil {
		return "", err
	}
	cleanup = func() { os.RemoveAll(dir) }
	binary := filepath.Join(dir, "fixture.test")
	build := exec.Command("go", "test", "-c", "-o", binary, ".")
	build.Dir = fixtureDir
	if out, err := build.CombinedOutput(); err != nil {
		return "", errors.New(string(out))
	}
	return binary, nil
})

var cleanup = func() {}

func TestMain(m *testing.M) {
	flag.Parse()
	flag.Set("test.parallel", "16") // processes of the fixture mostly wait
	code := m.Run()
	cleanup()
	os.Exit(code)
}

// outcome is what came out of running tests of the fixture.
type outcome struct {
	output string
	events []result.Event
	exit   int
}

// runFixture runs the tests that match a pattern in a process of their own. It
// has events if asked for, and environment variables as given.
func runFixture(t *testing.T, pattern string, withEvents bool, env ...string) outcome {
	t.Helper()
	binary, err := fixture()
	require.NoError(t, err)

	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, binary, "-test.run=^("+pattern+")$")
	cmd.Dir = fixtureDir
	cmd.Env = append(os.Environ(), env...)
	var events string
	if withEvents {
		events = filepath.Join(t.TempDir(), "events")
		require.NoError(t, os.WriteFile(events, nil, 0o644))
		cmd.Env = append(cmd.Env, result.EnvEvents+"="+events)
	}
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) {
		require.NoError(t, err)
	}
	o := outcome{output: string(out), exit: cmd.ProcessState.ExitCode()}
	if withEvents {
		text, err := os.ReadFile(events)
		require.NoError(t, err)
		o.events, err = result.ReadEvents(bytes.NewReader(text))
		require.NoError(t, err)
	}
	return o
}

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.WriteFile(file, []byte(got), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), got)
}

var (
	port  = regexp.MustCompile(`127\.0\.0\.1:\d+`)
	times = regexp.MustCompile(`\(\d+\.\d+s\)`)
)

// normal leaves out what differs from run to run.
func normal(s string) string {
	s = port.ReplaceAllString(s, "127.0.0.1:PORT")
	return times.ReplaceAllString(s, "(TIME)")
}

// failing are the tests of the fixture that end with a verdict that has words.
var failing = map[string]struct {
	verdict result.Verdict
	kind    result.Kind
	slow    bool
}{
	"TestExpectOtherField":               {result.Fail, result.KindLaw, false},
	"TestExpectOtherType":                {result.Fail, result.KindLaw, false},
	"TestExpectMissingField":             {result.Fail, result.KindLaw, false},
	"TestExpectMatchers":                 {result.Fail, result.KindLaw, false},
	"TestExpectAndNothingComes":          {result.Fail, result.KindLaw, false},
	"TestExpectAndTheServerIsLocked":     {result.Fail, result.KindLaw, false},
	"TestReceiveAndNothingComes":         {result.Fail, result.KindLaw, false},
	"TestExpectAndNoLineEndComes":        {result.Fail, result.KindLaw, false},
	"TestExpectAndItCloses":              {result.Fail, result.KindLaw, false},
	"TestExpectAndItResets":              {result.Fail, result.KindLaw, false},
	"TestExpectAndJunkComes":             {result.Fail, result.KindLaw, false},
	"TestExpectNothingAndSomethingComes": {result.Fail, result.KindLaw, false},
	"TestExpectNothingAndItCloses":       {result.Fail, result.KindLaw, false},
	"TestExpectEOFAndSomethingComes":     {result.Fail, result.KindLaw, false},
	"TestExpectEOFAndItResets":           {result.Fail, result.KindLaw, false},
	"TestExpectEOFAndItStaysOpen":        {result.Fail, result.KindLaw, false},
	"TestExpectEOFWithinAFrame":          {result.Fail, result.KindLaw, false},
	"TestExpectResetAndItCloses":         {result.Fail, result.KindLaw, false},
	"TestAwaitAndItNeverComes":           {result.Fail, result.KindLaw, false},
	"TestAwaitClosedAndItStaysOpen":      {result.Fail, result.KindLaw, false},
	"TestSendAfterReset":                 {result.Fail, result.KindLaw, false},
	"TestSendAndNobodyReads":             {result.Fail, result.KindLaw, false},
	"TestDialAndNobodyListens":           {result.Fail, result.KindLaw, false},
	"TestClientDoesNotCome":              {result.Fail, result.KindLaw, false},
	"TestClientSaysTheWrongThing":        {result.Fail, result.KindLaw, false},
	"TestEverythingAPeerDoes":            {result.Fail, result.KindLaw, false},
	"TestProxyDoesWhatItDoes":            {result.Fail, result.KindLaw, false},
	"TestBrokenSaysWhatWasSeen":          {result.Fail, result.KindLaw, false},
	"TestTestify":                        {result.Fail, result.KindLaw, false},
	"TestSeveralErrors":                  {result.Fail, result.KindLaw, false},
	"TestErrorFromAnotherGoroutine":      {result.Fail, result.KindLaw, false},
	"TestReturnsAndItLocksTwice":         {result.Fail, result.KindHang, false},
	"TestReturnsAndNobodySends":          {result.Fail, result.KindHang, false},
	"TestReturnsAndItComputes":           {result.Fail, result.KindHang, false},
	"TestReturnsAndItPanics":             {result.Error, result.KindPanic, false},
	"TestReturnsAndItExitsTheGoroutine":  {result.Fail, result.KindLaw, false},
	"TestReturnsAndTheLawBreaksInside":   {result.Fail, result.KindLaw, false},
	"TestEventuallyAndItDoesNot":         {result.Fail, result.KindLaw, false},
	"TestGoroutineIsLeft":                {result.Fail, result.KindLeak, false},
	"TestListenerIsLeft":                 {result.Fail, result.KindLeak, false},
	"TestNeedsAStageThatFails":           {result.Fail, result.KindGate, false},
	"TestNeedsAStageThatHangs":           {result.Fail, result.KindGate, false},
	"TestNeedsAStageThatPanics":          {result.Fail, result.KindGate, false},
	"TestRandomIsReplayed":               {result.Fail, result.KindLaw, false},
	"TestCannotRunHere":                  {result.NotRun, result.KindSkipped, false},
	"TestSkips":                          {result.NotRun, result.KindSkipped, false},
	"TestNeverEnds":                      {result.Error, result.KindHang, true},
	"TestGoroutineFailsAndTheTestWaits":  {result.Fail, result.KindLaw, true},
	"TestSaysTooMuch":                    {result.Fail, result.KindLaw, false},
	"TestFakeTimeStandsStill":            {result.Fail, result.KindHang, false},
	"TestFakeTimeLeavesSomebodyBehind":   {result.Fail, result.KindHang, false},
	"TestPacketsGetLost":                 {result.Fail, result.KindLaw, false},
	"TestTheServerComplained":            {result.Fail, result.KindLaw, false},
}

// TestWords runs every failing test of the fixture for the runner, and holds
// what a learner reads against a golden file.
func TestWords(t *testing.T) {
	for name, want := range failing {
		t.Run(name, func(t *testing.T) {
			if want.slow && testing.Short() {
				t.Skip("takes as long as a law may take")
			}
			t.Parallel()
			o := runFixture(t, name, true, result.EnvSeed+"=7")
			require.Len(t, o.events, 2, o.output)
			require.Equal(t, result.Event{Event: result.Begin, Test: name}, o.events[0])
			end := o.events[1]
			require.Equal(t, result.End, end.Event)
			require.Equal(t, want.verdict, end.Verdict)
			require.Equal(t, want.kind, end.Failure.Kind)
			require.Positive(t, end.Seconds)
			golden(t, name, normal(end.Failure.Text()))

			// The learner's own output is all that is left on the terminal.
			for text := range strings.Lines(o.output) {
				require.Regexp(t, `^(--- FAIL: \S+ \(.*\)|FAIL|PASS)\n$`, text)
			}
		})
	}
}

// TestPlainGoTestSaysTheSame runs tests of the fixture as a plain `go test`
// does.
func TestPlainGoTestSaysTheSame(t *testing.T) {
	for _, name := range []string{"TestExpectOtherField", "TestGoroutineIsLeft", "TestNeedsAStageThatFails"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := runFixture(t, name, false)
			require.Equal(t, 1, o.exit)
			want, err := os.ReadFile(filepath.Join("testdata", name+".golden"))
			require.NoError(t, err)
			var text strings.Builder
			for line := range strings.Lines(normal(o.output)) {
				text.WriteString(strings.TrimPrefix(line, "    "))
			}
			require.Contains(t, text.String(), string(want))
		})
	}
}

func TestPlainGoTestPasses(t *testing.T) {
	t.Parallel()
	require.Equal(t, "PASS\n", runFixture(t, "TestPasses", false).output)
}

func TestPassIsReported(t *testing.T) {
	t.Parallel()
	o := runFixture(t, "TestPasses|TestFakeTimeIsFast", true)
	require.Zero(t, o.exit, o.output)
	require.Len(t, o.events, 4)
	require.Equal(t, result.Pass, o.events[1].Verdict)
	require.Nil(t, o.events[1].Failure)
}

func TestPlainGoTestOfAHang(t *testing.T) {
	if testing.Short() {
		t.Skip("takes as long as a law may take")
	}
	t.Parallel()
	o := runFixture(t, "TestNeverEnds", false)
	require.Equal(t, 3, o.exit)
	require.Contains(t, o.output, "--- FAIL: TestNeverEnds")
	require.Contains(t, o.output, "goroutine of (*Server).Receive waits at labs/01-fixture/server.go")
}

// A panic in the test's own goroutine ends the process, and the runner reads
// the rest on stderr.
func TestPanicLeavesNoVerdict(t *testing.T) {
	t.Parallel()
	o := runFixture(t, "TestPanics", true)
	require.Equal(t, 2, o.exit)
	require.Len(t, o.events, 1)
	require.Contains(t, o.output, "panic: runtime error: index out of range [2] with length 0")
}

func TestGoroutineThatOutlivesItsTestHasNoSay(t *testing.T) {
	t.Parallel()
	o := runFixture(t, "TestLateVerdict|TestAfterTheLateVerdict", true)
	require.Zero(t, o.exit, o.output)
	require.Len(t, o.events, 4)
	require.Equal(t, result.Pass, o.events[1].Verdict)
	require.Equal(t, result.Pass, o.events[3].Verdict)
}

func TestFailureOfTheBareTestIsNotLost(t *testing.T) {
	t.Parallel()
	o := runFixture(t, "TestSubtestFails", true)
	require.Equal(t, 1, o.exit)
	require.Equal(t, result.Fail, o.events[1].Verdict)
	require.NotEmpty(t, o.events[1].Failure.Seen)
}

func TestLeakOfForeignCodeIsNamed(t *testing.T) {
	t.Parallel()
	o := runFixture(t, "TestForeignGoroutineIsLeft", true)
	require.Equal(t, result.KindLeak, o.events[1].Failure.Kind)
	require.Regexp(t, `^goroutine of TestForeignGoroutineIsLeft waits at .*guard_test.go:\d+ for a select`, o.events[1].Failure.Detail)
}

func TestLeakedGoroutineIsNotBlamedOnTheNextTest(t *testing.T) {
	t.Parallel()
	o := runFixture(t, "TestGoroutineIsLeft|TestPasses", true)
	verdicts := map[string]result.Verdict{}
	for _, e := range o.events {
		if e.Event == result.End {
			verdicts[e.Test] = e.Verdict
		}
	}
	require.Equal(t, map[string]result.Verdict{"TestGoroutineIsLeft": result.Fail, "TestPasses": result.Pass}, verdicts)
}

func TestSeedIsReplayed(t *testing.T) {
	t.Parallel()
	said := func(env ...string) string {
		f := runFixture(t, "TestRandomIsReplayed", true, env...).events[1].Failure
		require.Contains(t, f.Again, "SEED="+f.Seed)
		return f.Seen + f.Seed
	}
	require.Equal(t, said(result.EnvSeed+"=7"), said(result.EnvSeed+"=7"))
	require.NotEqual(t, said(result.EnvSeed+"=7"), said(result.EnvSeed+"=8"))
	require.NotEmpty(t, said(result.EnvSeed+"="))
}

func TestSeedMustBeANumber(t *testing.T) {
	t.Parallel()
	o := runFixture(t, "TestRandomIsReplayed", false, result.EnvSeed+"=many")
	require.Equal(t, 2, o.exit)
	require.Contains(t, o.output, `WORKBOOK_SEED is "many"`)
}

// The judged code must not find the file that verdicts are written to.
func TestEventsFileIsHiddenFromTheJudgedCode(t *testing.T) {
	t.Parallel()
	o := runFixture(t, "TestEnvironmentIsClean", true)
	require.Equal(t, result.Pass, o.events[1].Verdict, o.output)
}

// What is shown is where the judged files really are.
func TestLookIsInTheJudgedCode(t *testing.T) {
	t.Parallel()
	code := t.TempDir()
	text := "package fixture\n\ntype Server struct{}\n\n\nfunc (s *Server) Serve() {}\n"
	require.NoError(t, os.WriteFile(filepath.Join(code, "mine.go"), []byte(text), 0o644))
	o := runFixture(t, "TestBrokenSaysWhatWasSeen", true, result.EnvCode+"="+code)
	require.Equal(t, []string{filepath.ToSlash(filepath.Join(code, "mine.go")) + ":6"}, o.events[1].Failure.Look)
}

// Where a learner has taken out the function, the file is still a place to look.
func TestLookIsAFileWhereTheFunctionIsGone(t *testing.T) {
	t.Parallel()
	code := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(code, "server.go"), []byte("package fixture\n"), 0o644))
	o := runFixture(t, "TestBrokenSaysWhatWasSeen", true, result.EnvCode+"="+code)
	require.Equal(t, []string{filepath.ToSlash(filepath.Join(code, "server.go"))}, o.events[1].Failure.Look)
}
