package main_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/result"
	"workbook.example/tools/sandbox"
	"workbook.example/tools/verify"
)

var update = flag.Bool("update", false, "write the golden files anew")

// lab is the command as `make` builds it.
var lab string

func TestMain(m *testing.M) {
	sandbox.Init()
	flag.Parse()
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "lab-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		lab = filepath.Join(dir, "lab")
		if runtime.GOOS == "windows" {
			lab += ".exe"
		}
		if out, err := exec.Command("go", "build", "-o", lab, ".").CombinedOutput(); err != nil {
			panic(fmt.Sprintf("%v\n%s", err, out))
		}
		return m.Run()
	}())
}

// An answer is what a call of the command came to.
type answer struct {
	out, err string
	status   int
}

// call runs the command in a folder.
func call(t *testing.T, dir string, args ...string) answer {
	t.Helper()
	return finish(t, command(dir, args...))
}

func command(dir string, args ...string) *exec.Cmd {
	cmd := exec.Command(lab, args...)
	cmd.Dir = dir
	return cmd
}

func finish(t *testing.T, cmd *exec.Cmd) answer {
	t.Helper()
	var out, err bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &err
	var exit *exec.ExitError
	if failed := cmd.Run(); failed != nil && !errors.As(failed, &exit) {
		require.NoError(t, failed)
	}
	return answer{out.String(), err.String(), cmd.ProcessState.ExitCode()}
}

// workbook copies the small course that package run is tested with. Its lab 1
// is not solved.
func workbook(t *testing.T) string {
	t.Helper()
	root, err := filepath.EvalSymlinks(t.TempDir())
	require.NoError(t, err)
	require.NoError(t, os.CopyFS(root, os.DirFS(filepath.Join("..", "..", "run", "testdata", "course"))))
	tools, err := filepath.Abs(filepath.Join("..", ".."))
	require.NoError(t, err)
	replace(t, filepath.Join(root, "go.work"), "../../..", filepath.ToSlash(tools))
	replace(t, filepath.Join(root, "labs", "01-echo", "go.mod"), "../../../../..", filepath.ToSlash(tools))
	return root
}

func replace(t *testing.T, file, from, to string) {
	t.Helper()
	text, err := os.ReadFile(file)
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(file, []byte(strings.Replace(string(text), from, to, 1)), 0o644))
}

// solve puts the solution's files into a folder.
func solve(t *testing.T, root, dir string) {
	t.Helper()
	require.NoError(t, os.MkdirAll(dir, 0o755))
	for _, name := range []string{"sum.go", "server.go"} {
		text, err := os.ReadFile(filepath.Join(root, "solutions", "01-echo", name))
		require.NoError(t, err)
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), text, 0o644))
	}
}

func golden(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join("testdata", name+".golden")
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "go test -update writes it")
	require.Equal(t, string(want), text)
}

var seconds = regexp.MustCompile(`\d+\.\d s\b`)

func steady(text string) string {
	text = noRace.ReplaceAllString(seconds.ReplaceAllString(text, "0.0 s"), "")
	return strings.TrimRight(text, "\n") + "\n" // the note may have been the last that was said
}

// noRace is the note of a machine without a C compiler, of which this is no test.
var noRace = regexp.MustCompile(`(?m)^ note: The race detector did not watch.*\n(       .*\n)*\n?`)

func TestHelpOfEveryVerbHasAnExample(t *testing.T) {
	root := workbook(t)
	require.Contains(t, call(t, root).out, "Examples:\n  lab list\n")
	verbs := regexp.MustCompile(`(?m)^  (\w+) {2,}[A-Z]`).FindAllStringSubmatch(call(t, root).out, -1)
	require.NotEmpty(t, verbs)
	for _, verb := range verbs {
		if verb[1] != "help" {
			require.Contains(t, call(t, root, "help", verb[1]).out, "Examples:\n  lab "+verb[1])
		}
	}
	for _, verb := range []string{"test", "list", "run", "hint", "net", "bench", "verify"} {
		a := call(t, root, strings.Fields("help "+verb)...)
		require.Equal(t, 0, a.status)
		golden(t, "help-"+verb, a.out)
		require.Equal(t, a.out, call(t, root, verb, "--help").out)
	}
}

func TestWrongUseIsToldInOneSentence(t *testing.T) {
	root := workbook(t)
	var all strings.Builder
	for _, line := range []string{
		"tset 1",
		"nonsense",
		"test",
		"test 7",
		"test 1 2",
		"test 1 --stage 9",
		"test 1 --stage four",
		"test 1 --stgae 2",
		"test 1 --race=maybe",
		"test 1 --from nowhere",
		"test 1 --from labs/01-echo/cmd",
		"test 1 --bug nosuch",
		"test 1 --solution --from labs",
		"test 1 --all",
		"test --all --bug x",
		"test --all --from solutions/01-echo/bugs",
		"test 1 --json - --junit -",
		"list 1",
		"run",
		"run 1 hello",
		"run 1 --bug x",
		"hint",
		"hint 1 --stage 9",
		"hint 1 --stage 1 --number 7",
		"hint 7",
	} {
		a := call(t, root, strings.Fields(line)...)
		require.Equal(t, 2, a.status, line)
		require.Empty(t, a.out, line)
		require.Equal(t, 1, strings.Count(a.err, "\n"), "%s: %s", line, a.err)
		require.True(t, strings.HasPrefix(a.err, "lab: "), a.err)
		fmt.Fprintf(&all, "$ lab %s\n%s\n", line, a.err)
	}
	golden(t, "wrong-use", all.String())
}

func TestOutsideOfTheWorkbook(t *testing.T) {
	for _, verb := range []string{"test", "list", "run", "hint"} {
		a := call(t, t.TempDir(), verb)
		require.Equal(t, 2, a.status)
		golden(t, "outside", a.err)
	}
}

func TestVerify(t *testing.T) {
	root := filepath.Join("..", "..", "verify", "testdata", "workbook")
	a := call(t, root, "verify", "right", "--json", "-")
	require.Equal(t, 0, a.status, a.err)
	require.Equal(t, "lab 1: 2 stages, 3 tests, 7 bugs, all caught\n", a.err)
	var reports []*verify.Report
	require.NoError(t, json.Unmarshal([]byte(a.out), &reports))
	require.Len(t, reports, 1)
	require.True(t, reports[0].OK())
	require.Len(t, reports[0].Proofs, 7)

	a = call(t, root, "verify", "wrong")
	require.Equal(t, 1, a.status)
	require.Contains(t, a.out, "bug harmless\n  ✗ it was not caught")
	require.Equal(t, 2, call(t, root, "verify", "--jobs", "-1").status)
}

func TestBench(t *testing.T) {
	root := filepath.Join("..", "..", "verify", "testdata", "workbook")
	a := call(t, root, "bench", "right", "--rounds", "2", "--time", "1ms")
	require.Equal(t, 0, a.status, a.err)
	require.Regexp(t, `(?m)^Greet +time +no result +.*s `, a.out)
	require.Contains(t, a.out, "not implemented yet")
	require.Equal(t, 2, call(t, root, "bench", "right", "--rounds", "0").status)
}

func TestExitStatus(t *testing.T) {
	root := workbook(t)
	require.Equal(t, 0, call(t, root, "test", "1", "--solution").status)
	require.Equal(t, 1, call(t, root, "test", "1").status)
	require.Equal(t, 0, call(t, root, "test", "1", "--solution", "--stage", "2", "--race=off").status)

	withoutGo := command(root, "test", "1")
	withoutGo.Env = append(os.Environ(), "PATH="+t.TempDir())
	a := finish(t, withoutGo)
	require.Equal(t, 3, a.status)
	require.Contains(t, a.err, "install Go from https://go.dev/dl")
}

func TestAnyFolderOfTheWorkbook(t *testing.T) {
	root := workbook(t)
	solve(t, root, filepath.Join(root, "labs", "01-echo"))
	for _, dir := range []string{"labs/01-echo", "labs/01-echo/cmd/echod", "solutions/01-echo"} {
		a := call(t, filepath.Join(root, dir), "test", "--stage", "1")
		require.Equal(t, 0, a.status, a.out+a.err)
	}
	a := call(t, filepath.Join(root, "labs", "01-echo", "cmd"), "test", "..", "--stage", "1")
	require.Equal(t, 0, a.status, a.out+a.err)
	a = call(t, filepath.Join(root, "solutions"), "test", "echo", "--stage", "1")
	require.Equal(t, 0, a.status, a.out+a.err)
}

func TestWhatALearnerSeesFirst(t *testing.T) {
	root := workbook(t)
	golden(t, "untouched", steady(call(t, root, "test", "1").out))
	golden(t, "untouched-verbose", steady(call(t, root, "test", "1", "-v").out))
	golden(t, "blocked", steady(call(t, root, "test", "1", "--stage", "2").out))
	golden(t, "list", call(t, root, "list").out)
	golden(t, "solved", steady(call(t, root, "test", "1", "--solution").out))
	solve(t, root, filepath.Join(root, "labs", "01-echo"))
	golden(t, "stage-solved", steady(call(t, root, "test", "1", "--stage", "1").out))
}

func TestHint(t *testing.T) {
	root := workbook(t)
	golden(t, "hint", call(t, root, "hint", "1").out)
	golden(t, "hint-second", call(t, root, "hint", "1", "--stage", "1", "--number", "2").out)
	solve(t, root, filepath.Join(root, "labs", "01-echo"))
	a := call(t, root, "hint", "1")
	require.Equal(t, 2, a.status)
	golden(t, "hint-solved", a.err)
}

func TestJSONToStandardOutputIsAlone(t *testing.T) {
	a := call(t, workbook(t), "test", "1", "--json", "-")
	require.Equal(t, 1, a.status)
	var r result.Result
	require.NoError(t, json.Unmarshal([]byte(a.out), &r))
	require.Equal(t, result.Fail, r.Verdict)
	require.Contains(t, a.err, "TestSumAdds")
}

func TestAllOfAFolder(t *testing.T) {
	root := workbook(t)
	for name, below := range map[string]string{"repository": "labs/01-echo", "folders": "01-echo", "flat": "."} {
		class := t.TempDir()
		solve(t, root, filepath.Join(class, below))
		json, junit := filepath.Join(class, "r.json"), filepath.Join(class, "r.xml")
		a := call(t, root, "test", "--all", "--from", class, "--json", json, "--junit", junit)
		require.Equal(t, 0, a.status, a.out+a.err)
		require.Contains(t, a.out, "3 of 3 stages · 30 of 30 points + 5 extra", name)
		require.Equal(t, 1, strings.Count(a.out, "\n"))
		require.FileExists(t, json)
		require.FileExists(t, junit)
	}
}

func TestFromMayHaveOtherFilesAndNotTheTests(t *testing.T) {
	root := workbook(t)
	dir := filepath.Join(t.TempDir(), "anna")
	solve(t, root, dir)
	// Another division into files, and a test that would let everything pass.
	require.NoError(t, os.Rename(filepath.Join(dir, "sum.go"), filepath.Join(dir, "adding.go")))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "stage1_sums_test.go"), []byte("package echo_test\n"), 0o644))
	require.NoError(t, os.WriteFile(filepath.Join(dir, "doc.go"), []byte("package wrong\n"), 0o644))
	a := call(t, root, "test", "1", "--from", dir)
	require.Equal(t, 0, a.status, a.out+a.err)

	// What the learner's folder has beside the course's files is not in it.
	require.NoError(t, os.WriteFile(filepath.Join(root, "labs", "01-echo", "mine.go"), []byte("package echo\n\nfunc Sum() {}\n"), 0o644))
	a = call(t, root, "test", "1", "--from", dir)
	require.Equal(t, 0, a.status, a.out+a.err)

	// Places are named where the one who handed in finds them.
	replace(t, filepath.Join(dir, "adding.go"), "a + b", "a - b")
	require.Contains(t, call(t, root, "test", "1", "--from", dir).out, "look at   "+filepath.ToSlash(dir)+"/adding.go:4")
	replace(t, filepath.Join(dir, "adding.go"), "a - b", "a - c")
	require.Contains(t, call(t, root, "test", "1", "--from", dir).out, filepath.ToSlash(dir)+"/adding.go:5:13: undefined: c")

	require.NoError(t, os.Remove(filepath.Join(dir, "adding.go")))
	if err := os.Symlink("/etc/passwd", filepath.Join(dir, "adding.go")); err == nil {
		a = call(t, root, "test", "1", "--from", dir)
		require.Equal(t, 2, a.status)
		require.Contains(t, a.err, "symbolic link")
	}
}

func TestNetIsAShellInANetwork(t *testing.T) {
	root := workbook(t)
	if iso := sandbox.Detect(); iso.Level != sandbox.Namespace {
		a := call(t, root, "net")
		require.Equal(t, 1, a.status)
		require.Contains(t, a.err, iso.Reason)
		t.Skipf("not run: %s; %s", iso.Reason, iso.Remedy)
	}
	solve(t, root, filepath.Join(root, "labs", "01-echo"))
	cmd := command(root, "net", "--routers", "2")
	cmd.Env = append(os.Environ(), "SHELL=/bin/true")
	golden(t, "net", finish(t, cmd).out)

	a := call(t, root, "net", "--", "sh", "-c", "on far cat /proc/net/if_inet6; on nobody true; exit 7")
	require.Equal(t, 7, a.status, a.err)
	require.Contains(t, a.out, "fd000000000000040000000000000002")
	require.Contains(t, a.err, "There are: here, r1, r2, r3, far")

	// Names are known on every machine, and outside of the network they are not.
	outside, err := os.ReadFile("/etc/hosts")
	require.NoError(t, err)
	a = call(t, root, "net", "--", "on", "r2", "cat", "/etc/hosts")
	require.Zero(t, a.status, a.err)
	require.Contains(t, a.out, "\n10.0.4.2 far\n")
	require.Contains(t, a.out, "\n10.0.3.1 r2\n")
	after, err := os.ReadFile("/etc/hosts")
	require.NoError(t, err)
	require.Equal(t, string(outside), string(after))
}
