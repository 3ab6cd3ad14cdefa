package run_test

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/course"
	"workbook.example/tools/report"
	"workbook.example/tools/result"
	"workbook.example/tools/run"
	"workbook.example/tools/sources"
)

// An accident is something that happens to a learner, and what he must be
// told. Each starts from a right solution.
type accident struct {
	name    string
	do      func(t *testing.T, lab *course.Lab)
	options run.Options
	verdict result.Verdict
	kind    result.Kind // of the first test that does not pass
	unhurt  []string    // tests that must pass all the same
}

// change is an accident in one place of one file.
func change(file, from, to string) func(*testing.T, *course.Lab) {
	return func(t *testing.T, lab *course.Lab) {
		t.Helper()
		edit(t, filepath.Join(lab.Dir, file), from, to)
	}
}

var sums = []string{"TestSumAdds", "TestSumOfNothing"}

var accidents = []accident{
	{
		name: "none", verdict: result.Pass,
		do: func(*testing.T, *course.Lab) {},
	},
	{
		name: "wrong", verdict: result.Fail, kind: result.KindLaw,
		do: change("sum.go", "a + b", "a - b"),
	},
	{
		name: "does-not-compile", verdict: result.Error, kind: result.KindBuild,
		do: change("sum.go", "return a + b", "total := a + c"),
	},
	{
		name: "syntax", verdict: result.Error, kind: result.KindBuild,
		do: change("sum.go", "return a + b", "return a +"),
	},
	{
		name: "renamed", verdict: result.Error, kind: result.KindBuild,
		do: change("sum.go", "func Sum(", "func Add("),
	},
	{
		name: "removed-method", verdict: result.Error, kind: result.KindBuild,
		do: change("server.go", "func (s *Server) Served(", "func (s *Server) served2("),
	},
	{
		name: "other-signature", verdict: result.Error, kind: result.KindBuild,
		do: change("sum.go", "func Sum(a, b int) int", "func Sum(a, b, c int) int"),
	},
	{
		name: "file-missing", verdict: result.Error, kind: result.KindBuild,
		do: func(t *testing.T, lab *course.Lab) {
			require.NoError(t, os.Remove(filepath.Join(lab.Dir, "sum.go")))
		},
	},
	{
		name: "file-missing-from-a-checkout", verdict: result.Error, kind: result.KindBuild,
		do: func(t *testing.T, lab *course.Lab) {
			checkedIn(t, lab)
			require.NoError(t, os.Remove(filepath.Join(lab.Dir, "sum.go")))
		},
	},
	{
		name: "syntax-without-a-file", verdict: result.Error, kind: result.KindBuild,
		do: func(t *testing.T, lab *course.Lab) {
			require.NoError(t, os.Rename(filepath.Join(lab.Dir, "sum.go"), filepath.Join(lab.Dir, "arithmetic.go")))
			change("server.go", "defer conn.Close()", "defer conn.Close(")(t, lab)
		},
	},
	{
		name: "undefined-without-a-file", verdict: result.Error, kind: result.KindBuild,
		do: func(t *testing.T, lab *course.Lab) {
			require.NoError(t, os.Rename(filepath.Join(lab.Dir, "sum.go"), filepath.Join(lab.Dir, "arithmetic.go")))
			change("arithmetic.go", "return a + b", "return a + c")(t, lab)
		},
	},
	{
		name: "renamed-and-used-often", verdict: result.Error, kind: result.KindBuild,
		do: func(t *testing.T, lab *course.Lab) {
			change("sum.go", "func Sum(", "func Add(")(t, lab)
			change("stage1_sums_test.go", "if got := echo.Sum(0, 0)", strings.Repeat("echo.Sum(1, 1)\n\t", 3)+"if got := echo.Sum(0, 0)")(t, lab)
		},
	},
	{
		name: "renamed-and-used-all-over", verdict: result.Error, kind: result.KindBuild,
		do: func(t *testing.T, lab *course.Lab) {
			change("sum.go", "func Sum(", "func Add(")(t, lab)
			change("stage1_sums_test.go", "if got := echo.Sum(0, 0)", strings.Repeat("echo.Sum(1, 1)\n\t", 20)+"if got := echo.Sum(0, 0)")(t, lab)
		},
	},
	{
		name: "helper-deleted", verdict: result.Error, kind: result.KindBuild,
		do: func(t *testing.T, lab *course.Lab) {
			sharedHelper(t, lab)
			checkedIn(t, lab)
			require.NoError(t, os.Remove(filepath.Join(lab.Dir, "stage1_sums_test.go")))
			require.NoError(t, os.Remove(filepath.Join(lab.Dir, "sum.go")))
			require.NoError(t, os.WriteFile(filepath.Join(lab.Dir, "add.go"), []byte("package echo\n\nfunc Sum(a, b int) int { return a + b }\n"), 0o644))
		},
	},
	{
		name: "helper-deleted-without-git", verdict: result.Error, kind: result.KindBuild,
		do: func(t *testing.T, lab *course.Lab) {
			sharedHelper(t, lab)
			require.NoError(t, os.Remove(filepath.Join(lab.Dir, "stage1_sums_test.go")))
		},
	},
	{
		name: "panic-in-handler", verdict: result.Error, kind: result.KindPanic, unhurt: sums,
		do: change("server.go", "in := bufio.NewReader(conn)", "var in *bufio.Reader"),
	},
	{
		name: "panic-in-test", verdict: result.Error, kind: result.KindPanic, unhurt: []string{"TestSumAdds", "TestStopEndsServe"},
		do: change("sum.go", "return a + b", "return a + b + 0/(a+b)"),
	},
	{
		name: "panic-at-start", verdict: result.Error, kind: result.KindPanic,
		do: change("sum.go", "package echo", "package echo\n\nfunc init() {\n\tvar totals map[string]int\n\ttotals[\"\"]++\n}\n"),
	},
	{
		name: "panic-in-variable", verdict: result.Error, kind: result.KindPanic, options: run.Options{Stages: []int{1}},
		do: change("sum.go", "package echo", "package echo\n\nvar third = []int{1, 2}[len(\"abc\")-1]\n"),
	},
	{
		name: "nil-map-in-goroutine", verdict: result.Error, kind: result.KindPanic, options: run.Options{Stages: []int{1}},
		do: change("sum.go", "return a + b", "var seen map[int]bool\n\tdone := make(chan bool)\n\tgo func() { seen[a] = true; close(done) }()\n\t<-done\n\treturn a + b"),
	},
	{
		name: "nil-map-in-handler", verdict: result.Error, kind: result.KindPanic, options: run.Options{Stages: []int{2}},
		do: change("server.go", "map[net.Conn]bool{}", "nil"),
	},
	{
		name: "exit-0", verdict: result.Error, kind: result.KindExit, unhurt: sums,
		do: func(t *testing.T, lab *course.Lab) {
			change("server.go", "\t\tif err != nil {\n\t\t\tbreak\n", "\t\tif err != nil {\n\t\t\tos.Exit(0)\n")(t, lab)
			change("server.go", `"net"`, "\"net\"\n\t\"os\"")(t, lab)
		},
	},
	{
		name: "exit-1", verdict: result.Error, kind: result.KindExit, unhurt: sums,
		do: func(t *testing.T, lab *course.Lab) {
			change("server.go", "\t\tif err != nil {\n\t\t\tbreak\n", "\t\tif err != nil {\n\t\t\tlog.Fatal(\"client has gone\")\n")(t, lab)
			change("server.go", `"net"`, "\"log\"\n\t\"net\"")(t, lab)
		},
	},
	{
		name: "exit-at-start", verdict: result.Error, kind: result.KindExit,
		do: change("sum.go", "package echo", "package echo\n\nimport \"os\"\n\nfunc init() { os.Exit(0) }\n"),
	},
	{
		name: "deadlock-on-stop", verdict: result.Fail, kind: result.KindHang, unhurt: sums,
		do: change("server.go", "\ts.mu.Unlock()\n\ts.wg.Wait()\n}", "\ts.mu.Unlock()\n\t<-make(chan bool)\n}"),
	},
	{
		name: "infinite-loop", verdict: result.Error, kind: result.KindHang, unhurt: []string{"TestSumOfNothing"},
		options: run.Options{Stages: []int{1}},
		do:      change("sum.go", "return a + b", "more := make(chan int)\n\tfor a > 0 { select { case a = <-more: default: } } // on one line: it may be anywhere in it\n\treturn a + b"),
	},
	{
		name: "hang-at-start", verdict: result.Error, kind: result.KindHang,
		options: run.Options{Stages: []int{1}, Quiet: time.Second},
		do:      change("sum.go", "package echo", "package echo\n\nimport \"net\"\n\nfunc init() {\n\tl, _ := net.Listen(\"tcp\", \"127.0.0.1:0\")\n\tl.Accept()\n}\n"),
	},
	{
		name: "million-lines", verdict: result.Fail, kind: result.KindLaw,
		options: run.Options{Stages: []int{1}},
		do: func(t *testing.T, lab *course.Lab) {
			change("sum.go", "return a + b", "for range 5_000 * a {\n\t\tfmt.Print(strings.Repeat(\"a line\\n\", 100))\n\t}\n\treturn a - b")(t, lab)
			change("sum.go", "package echo", "package echo\n\nimport (\n\t\"fmt\"\n\t\"strings\"\n)")(t, lab)
		},
	},
	{
		name: "prints-without-newline", verdict: result.Fail, kind: result.KindLaw, unhurt: []string{"TestSumOfNothing"},
		options: run.Options{Stages: []int{1}},
		do: func(t *testing.T, lab *course.Lab) {
			change("sum.go", "return a + b", "fmt.Print(\"adding \\x1b[31m\", a, \" and \", b)\n\treturn a - b")(t, lab)
			change("sum.go", "package echo", "package echo\n\nimport \"fmt\"")(t, lab)
		},
	},
	{
		name: "prints-an-endless-line", verdict: result.Fail, kind: result.KindLaw, unhurt: []string{"TestSumOfNothing"},
		options: run.Options{Stages: []int{1}},
		do: func(t *testing.T, lab *course.Lab) {
			change("sum.go", "return a + b", "fmt.Print(strings.Repeat(\"no end \", 1_000_000))\n\treturn a - b")(t, lab)
			change("sum.go", "package echo", "package echo\n\nimport (\n\t\"fmt\"\n\t\"strings\"\n)")(t, lab)
		},
	},
	{
		name: "prints-what-testing-prints", verdict: result.Fail, kind: result.KindLaw,
		options: run.Options{Stages: []int{1}},
		do: func(t *testing.T, lab *course.Lab) {
			change("sum.go", "return a + b", "fmt.Println(\"--- PASS: TestSumAdds (0.00s)\\nPASS\\npanic: not really\\nok\")\n\treturn a - b")(t, lab)
			change("sum.go", "package echo", "package echo\n\nimport \"fmt\"")(t, lab)
		},
	},
	{
		name: "race", verdict: result.Fail, kind: result.KindRace, unhurt: sums,
		do: func(t *testing.T, lab *course.Lab) {
			change("server.go", "\ts.served++\n\ts.mu.Unlock()", "\ts.mu.Unlock()\n\ts.served++")(t, lab)
			change("server.go", "\ts.mu.Lock()\n\tdefer s.mu.Unlock()\n\treturn s.served", "\treturn s.served")(t, lab)
		},
	},
	{
		name: "goroutine-left", verdict: result.Fail, kind: result.KindLeak, unhurt: sums,
		do: change("server.go", "defer conn.Close()", "defer conn.Close()\n\tgo func() { <-make(chan int) }()"),
	},
	{
		name: "test-deleted", verdict: result.Error, kind: result.KindMissing, unhurt: append([]string{"TestServedCountsClients"}, sums...),
		do: func(t *testing.T, lab *course.Lab) {
			checkedIn(t, lab)
			require.NoError(t, os.Remove(filepath.Join(lab.Dir, "stage2_echo_test.go")))
		},
	},
	{
		name: "test-deleted-without-git", verdict: result.Error, kind: result.KindMissing, unhurt: sums,
		do: func(t *testing.T, lab *course.Lab) {
			require.NoError(t, os.Remove(filepath.Join(lab.Dir, "stage2_echo_test.go")))
		},
	},
	{
		name: "all-tests-deleted", verdict: result.Error, kind: result.KindMissing,
		do: func(t *testing.T, lab *course.Lab) {
			checkedIn(t, lab)
			tests, err := filepath.Glob(filepath.Join(lab.Dir, "*_test.go"))
			require.NoError(t, err)
			for _, test := range tests {
				require.NoError(t, os.Remove(test))
			}
		},
	},
	{
		name: "harness-deleted", verdict: result.Error, kind: result.KindBuild,
		do: func(t *testing.T, lab *course.Lab) {
			checkedIn(t, lab)
			require.NoError(t, os.Remove(filepath.Join(lab.Dir, "harness_test.go")))
		},
	},
	{
		name: "test-edited", verdict: result.Pass,
		do: func(t *testing.T, lab *course.Lab) {
			checkedIn(t, lab)
			change("stage1_sums_test.go", "got != 5", "got == -5")(t, lab)
			change("sum.go", "a + b", "a - b + 2*b")(t, lab) // what is the learner's to edit is no news
		},
	},
	{
		name: "test-emptied", verdict: result.Error, kind: result.KindMissing, unhurt: []string{"TestSumAdds"},
		do: func(t *testing.T, lab *course.Lab) {
			checkedIn(t, lab)
			emptied(t, lab)
		},
	},
	{
		name: "test-emptied-and-committed", verdict: result.Error, kind: result.KindMissing, unhurt: []string{"TestSumAdds"}, options: run.Options{Stages: []int{1}},
		do: func(t *testing.T, lab *course.Lab) {
			emptied(t, lab)
			checkedIn(t, lab)
		},
	},
	{
		name: "test-emptied-without-git", verdict: result.Error, kind: result.KindMissing, unhurt: []string{"TestSumAdds"}, options: run.Options{Stages: []int{1}},
		do: emptied,
	},
	{
		name: "function-deleted", verdict: result.Error, kind: result.KindMissing, unhurt: []string{"TestSumAdds"}, options: run.Options{Stages: []int{1}},
		do: func(t *testing.T, lab *course.Lab) {
			checkedIn(t, lab)
			emptied(t, lab)
			change("stage1_sums_test.go", "func TestSumOfNothing(tt *testing.T) {\n}\n", "")(t, lab)
		},
	},
	{
		name: "function-deleted-without-git", verdict: result.Error, kind: result.KindMissing, unhurt: []string{"TestSumAdds"}, options: run.Options{Stages: []int{1}},
		do: func(t *testing.T, lab *course.Lab) {
			emptied(t, lab)
			change("stage1_sums_test.go", "func TestSumOfNothing(tt *testing.T) {\n}\n", "")(t, lab)
		},
	},
}

// emptied leaves of a test only its name.
func emptied(t *testing.T, lab *course.Lab) {
	t.Helper()
	change("stage1_sums_test.go", "\tif got := echo.Sum(0, 0); got != 0 {\n\t\tt.Broken(\"Sum(0, 0) is %d; expected 0.\", got)\n\t}\n", "")(t, lab)
	change("stage1_sums_test.go", "func TestSumOfNothing(tt *testing.T) {\n\tt := labtest.Begin(tt)\n", "func TestSumOfNothing(tt *testing.T) {\n")(t, lab)
}

// sharedHelper lets stage 2 use what is in the file of stage 1.
func sharedHelper(t *testing.T, lab *course.Lab) {
	t.Helper()
	change("stage1_sums_test.go", "func TestSumAdds(", "func short() string { return \"hello\" }\n\nfunc TestSumAdds(")(t, lab)
	change("stage2_echo_test.go", `alice.SendJSON(labtest.Fields{"text": "hello"})`, `alice.SendJSON(labtest.Fields{"text": short()})`)(t, lab)
}

func TestAccidentsAreToldKindly(t *testing.T) {
	for _, a := range accidents {
		t.Run(a.name, func(t *testing.T) {
			t.Parallel()
			lab := workbook(t)
			a.do(t, lab)
			r := whateverC(try(t, lab, a.options))
			if a.kind == result.KindRace && !r.Race {
				t.Skip("there is no C compiler for the race detector (apt-get install gcc)")
			}
			require.Equal(t, a.verdict, r.Verdict)
			if first := firstFailure(r); a.kind != "" {
				require.NotNil(t, first)
				require.Equal(t, a.kind, first.Kind)
			}
			verdicts := map[string]result.Verdict{}
			for _, s := range r.Stages {
				for _, test := range s.Tests {
					verdicts[test.Name] = test.Verdict
				}
			}
			for _, name := range a.unhurt {
				require.Equal(t, result.Pass, verdicts[name], name)
			}
			golden(t, filepath.Join("accidents", a.name), show(t, lab, r))
		})
	}
}

func firstFailure(r *result.Result) *result.Failure {
	if r.Build != nil {
		return r.Build
	}
	for _, s := range r.Stages {
		for _, test := range s.Tests {
			if test.Verdict != result.Pass {
				return test.Failure
			}
		}
	}
	return nil
}

func try(t *testing.T, lab *course.Lab, opts run.Options) *result.Result {
	t.Helper()
	set, err := sources.Learner(lab)
	require.NoError(t, err)
	r, err := run.Run(t.Context(), lab, set, opts)
	require.NoError(t, err)
	return r
}

// whateverC leaves out that there is no C compiler here: what a result says
// otherwise is the same with one and without.
func whateverC(r *result.Result) *result.Result {
	r.Notes = slices.DeleteFunc(r.Notes, func(note string) bool {
		return strings.HasPrefix(note, "The race detector did not watch")
	})
	return r
}

// show is what a person reads, without what differs from run to run.
func show(t *testing.T, lab *course.Lab, r *result.Result) string {
	t.Helper()
	seconds, isolation := r.Seconds, r.Isolation
	defer func() { r.Seconds, r.Isolation = seconds, isolation }()
	r.Seconds = 0
	if os.Getenv("WORKBOOK_SANDBOX") == "" {
		r.Isolation = result.Isolation{Level: "namespace"} // whatever this machine allows
	}
	var out bytes.Buffer
	require.NoError(t, report.View{Style: report.Style{Width: 80}}.Print(&out, r))
	text := strings.ReplaceAll(out.String(), lab.Root, "ROOT")
	for _, same := range []struct{ from, to string }{
		{`goroutine \d+`, "goroutine N"},
		{`0x[0-9a-f]+`, "0xN"},
		{`127\.0\.0\.1:\d+`, "127.0.0.1:PORT"},
		{`\d+ lines left out`, "N lines left out"},
		{`\d{4}/\d\d/\d\d \d\d:\d\d:\d\d`, "DATE TIME"},
	} {
		text = regexp.MustCompile(same.from).ReplaceAllString(text, same.to)
	}
	return text
}

func TestWithoutACCompilerThereIsNoRaceDetector(t *testing.T) {
	lab := workbook(t)
	out, err := exec.Command("go", "env", "GOROOT").Output()
	require.NoError(t, err)
	only := t.TempDir()
	require.NoError(t, os.Symlink(filepath.Join(strings.TrimSpace(string(out)), "bin", "go"), filepath.Join(only, "go")))
	t.Setenv("PATH", only)
	t.Setenv("CC", "")

	r := try(t, lab, run.Options{})
	require.Equal(t, result.Pass, r.Verdict)
	require.False(t, r.Race)
	golden(t, filepath.Join("accidents", "no-c-compiler"), show(t, lab, r))

	set, err := sources.Learner(lab)
	require.NoError(t, err)
	_, err = run.Run(t.Context(), lab, set, run.Options{Race: run.RaceOn})
	require.ErrorContains(t, err, "--race=on: it needs a C compiler")
}

func TestWithABrokenCCompilerThereIsNoRaceDetector(t *testing.T) {
	lab := workbook(t)
	broken := filepath.Join(t.TempDir(), "cc")
	require.NoError(t, os.WriteFile(broken, []byte("#!/bin/sh\necho 'cc: no such thing' >&2; exit 1\n"), 0o755))
	t.Setenv("CC", broken)
	t.Setenv("CGO_ENABLED", "1")

	r := try(t, lab, run.Options{Stages: []int{1}})
	require.Equal(t, result.Pass, r.Verdict)
	require.False(t, r.Race)
	require.Len(t, r.Notes, 1)
}

func TestWithoutNamespacesTheVerdictsAreTheSame(t *testing.T) {
	lab := workbook(t)
	t.Setenv("WORKBOOK_SANDBOX", "off")
	r := whateverC(try(t, lab, run.Options{}))
	require.Equal(t, result.Pass, r.Verdict)
	require.Equal(t, "none", r.Isolation.Level)
	golden(t, filepath.Join("accidents", "no-namespaces"), show(t, lab, r))
}

func TestAStageMayBeRunAlone(t *testing.T) {
	lab := workbook(t)
	r := try(t, lab, run.Options{Stages: []int{2}})
	require.Len(t, r.Stages, 1)
	require.Equal(t, 2, r.Stages[0].ID)
	require.Equal(t, result.Points{Core: 20, CoreMax: 20}, r.Points)

	set, err := sources.Learner(lab)
	require.NoError(t, err)
	_, err = run.Run(t.Context(), lab, set, run.Options{Stages: []int{4}})
	require.EqualError(t, err, "lab 1 has stages 1 to 3, and no stage 4")
}

func TestAfterTwoThatHungTheRestIsNotTried(t *testing.T) {
	t.Parallel()
	lab := workbook(t)
	more := func(file, name, body, after string) {
		text := "\nfunc " + name + "(tt *testing.T) {\n\tt := labtest.Begin(tt)\n\t" + body + "\n}\n"
		out, err := os.OpenFile(filepath.Join(lab.Dir, file), os.O_APPEND|os.O_WRONLY, 0)
		require.NoError(t, err)
		_, err = out.WriteString(text)
		require.NoError(t, err)
		require.NoError(t, out.Close())
		law := "\n\n  [[stage.test]]\n  name = \"" + name + "\"\n  law = \"It ends.\"\n  why = \"Nobody waits for ever.\""
		edit(t, filepath.Join(lab.Dir, "lab.toml"), after, after+law)
	}
	more("stage1_sums_test.go", "TestSumOfMore", "t.Log(echo.Sum(5, 5))", "why = \"Empty messages are messages too.\"\n  look = [\"Sum\"]")
	more("stage3_counting_test.go", "TestServedAgain", "t.Log(start(t).Served())", "why = \"What is not counted is not known.\"\n  look = [\"Server.Served\"]")
	edit(t, filepath.Join(lab.Dir, "sum.go"), "return a + b", "if a+b != 2 { // as the later stages ask\n\t\t<-make(chan int)\n\t}\n\treturn a + b")
	edit(t, filepath.Join(lab.Dir, "server.go"), "return s.served", "<-make(chan int)\n\treturn s.served")
	lab, err := course.Load(lab.Dir)
	require.NoError(t, err)

	quiet := run.Options{Quiet: 2 * time.Second}
	r := whateverC(try(t, lab, quiet))
	require.Equal(t, result.Error, r.Verdict)
	for i, s := range r.Stages {
		require.Len(t, s.Tests, len(lab.Stages[i].Tests))
	}
	require.Equal(t, result.Pass, r.Stages[1].Verdict)
	golden(t, filepath.Join("accidents", "two-hung"), show(t, lab, r)+"\n"+r.Stages[0].Tests[2].Failure.Text()+"\n"+r.Stages[2].Tests[1].Failure.Text())

	// Alone, a stage has the usual limit.
	quiet.Stages = []int{3}
	alone := try(t, lab, quiet)
	require.NotEqual(t, r.Stages[2].Tests[1].Failure.Seen, alone.Stages[0].Tests[1].Failure.Seen)
}
