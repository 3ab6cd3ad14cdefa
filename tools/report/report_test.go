package report_test

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/report"
	"workbook.example/tools/result"
)

var update = flag.Bool("update", false, "write the golden files anew")

func golden(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.MkdirAll("testdata", 0o755))
		require.NoError(t, os.WriteFile(file, []byte(text), 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err, "go test -update writes it")
	require.Equal(t, string(want), text)
}

// mixed is a result with one of everything.
func mixed() *result.Result {
	law := &result.Failure{
		Kind: result.KindLaw,
		Seen: "Two connections logged in as \"bob\" and both were welcomed.",
		Law:  "A name identifies one connection, so the second login must be refused.",
		Ladder: "    alice                     server                     carol\n" +
			"1     │── login \"bob\" ─────────▶│                          │\n" +
			"2     │◀─ login_response ok ────│                          │\n" +
			"3     │                         │◀───────── login \"bob\" ───│\n" +
			"4  ✗  │                         │── login_response ok ────▶│   expected success:false",
		Look:  []string{"labs/02-tcp-server/registry.go:31", "labs/02-tcp-server/login.go:7"},
		Read:  "labs/02-tcp-server/README.md#4-log-in-and-register",
		Hint:  "make hint 2",
		Again: "make test-lab 2 STAGE=4",
	}
	gate := &result.Failure{Kind: result.KindGate, Seen: "Stage 4 (Log in and register) must pass before this can be judged:\nnobody is welcomed", Again: "make test-lab 2 STAGE=4"}
	return &result.Result{
		Version:   result.Version,
		Lab:       result.Lab{Number: 2, Folder: "02-tcp-server", Title: "TCP server"},
		Source:    result.Source{Kind: "learner"},
		Verdict:   result.Error,
		Points:    result.Points{Core: 10, CoreMax: 60, ExtraMax: 10},
		Race:      true,
		Isolation: result.Isolation{Level: "none", Reason: "the kernel says no", Remedy: "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"},
		Go:        "go1.26.8",
		Platform:  "linux/amd64",
		Started:   time.Date(2026, 11, 22, 20, 0, 0, 0, time.UTC),
		Seconds:   0.94,
		Notes:     []string{"labs/02-tcp-server/harness_test.go is not as the course gives it. `git checkout HEAD -- labs/02-tcp-server/harness_test.go` brings the original back."},
		Stages: []result.Stage{
			{ID: 1, Title: "Framing", Points: 10, Verdict: result.Pass, Seconds: 0.1, Tests: []result.Test{
				{Name: "TestFrames", Verdict: result.Pass, Seconds: 0.05, Output: "quiet"},
			}},
			{ID: 2, Title: "Descriptors", Points: 10, Verdict: result.NotRun, Seconds: 0.1, Tests: []result.Test{
				{Name: "TestPackets", Verdict: result.NotRun, Failure: &result.Failure{Kind: result.KindSkipped, Seen: "there are no raw sockets here.", Detail: "sudo make test-lab 2"}},
			}},
			{ID: 4, Title: "Log in and register", Points: 20, Verdict: result.Error, Seconds: 0.2, Tests: []result.Test{
				{Name: "TestWelcome", Verdict: result.Pass, Seconds: 0.01},
				{
					Name: "TestNameBelongsToOneConnection", Verdict: result.Fail, Failure: law, Seconds: 0.02,
					Output: strings.Repeat("a line\n", 7) + "\x1b[2Jcleared\x07\u202egnihtemos\n" + strings.Repeat("b line\n", 9) + "last " + strings.Repeat("long ", 30), Cut: 0,
				},
				{Name: "TestPasswordsStaySecret", Verdict: result.Error, Failure: &result.Failure{Kind: result.KindPanic, Seen: "The code panicked: ]]> & <b>\x00."}},
				{Name: "TestNames", Verdict: result.Fail, Failure: gate},
			}},
			{ID: 5, Title: "Fan-out", Points: 20, Verdict: result.Fail, Tests: []result.Test{
				{Name: "TestEverybodyHears", Verdict: result.Fail, Failure: gate},
				{Name: "TestSlowReaders", Verdict: result.Fail, Failure: gate},
			}},
			{ID: 6, Title: "Deadlines", Points: 10, Extension: true, Verdict: result.Fault, Tests: []result.Test{
				{Name: "TestDeadlines", Verdict: result.Fault, Failure: &result.Failure{Kind: result.KindMissing, Seen: "The disk is full."}},
			}},
		},
	}
}

func printed(t *testing.T, v report.View, r *result.Result) string {
	t.Helper()
	var out bytes.Buffer
	require.NoError(t, v.Print(&out, r))
	return out.String()
}

func TestTerminal(t *testing.T) {
	plain := report.Style{Width: 80}
	golden(t, "mixed.txt", printed(t, report.View{Style: plain}, mixed()))
	golden(t, "mixed-verbose.txt", printed(t, report.View{Style: plain, Verbose: true}, mixed()))
	golden(t, "mixed-narrow.txt", printed(t, report.View{Style: report.Style{Width: 44}}, mixed()))
	golden(t, "mixed-colour.txt", printed(t, report.View{Style: report.Style{Width: 80, Colour: true}}, mixed()))
}

// One stage alone, and an extension: said once, and its points are extra ones.
func TestTerminalOfOneStage(t *testing.T) {
	r := mixed()
	r.Stages = r.Stages[len(r.Stages)-1:]
	r.Points = result.Tally(r.Stages)
	r.Notes, r.Verdict = nil, r.Stages[0].Verdict
	golden(t, "extension.txt", printed(t, report.View{Style: report.Style{Width: 80}, Verbose: true}, r))
}

func TestColourChangesNoLetter(t *testing.T) {
	plain := printed(t, report.View{Style: report.Style{Width: 80}}, mixed())
	painted := printed(t, report.View{Style: report.Style{Width: 80, Colour: true}}, mixed())
	for _, attribute := range []string{"0", "1", "2", "31", "32", "33", "36"} {
		painted = strings.ReplaceAll(painted, "\x1b["+attribute+"m", "")
	}
	require.Equal(t, plain, painted)
}

func TestLine(t *testing.T) {
	var out bytes.Buffer
	v := report.View{Style: report.Style{Width: 80}}
	require.NoError(t, v.Line(&out, mixed()))
	broken := mixed()
	broken.Build = &result.Failure{Kind: result.KindBuild, Seen: "It does not compile."}
	require.NoError(t, v.Line(&out, broken))
	golden(t, "lines.txt", out.String())
}

func TestJSONIsOneObjectOrAnArray(t *testing.T) {
	var out bytes.Buffer
	require.NoError(t, report.JSON(&out, mixed()))
	var one result.Result
	require.NoError(t, json.Unmarshal(out.Bytes(), &one))
	require.Equal(t, mixed().Stages[0].Tests, one.Stages[0].Tests)

	out.Reset()
	require.NoError(t, report.JSONList(&out, []*result.Result{mixed()}))
	var list []result.Result
	require.NoError(t, json.Unmarshal(out.Bytes(), &list))
	require.Len(t, list, 1)
}

func TestJUnit(t *testing.T) {
	other := mixed()
	other.Lab = result.Lab{Number: 3, Folder: "03-tcp-client", Title: "TCP client"}
	other.Stages = other.Stages[:1]
	other.Stages[0].Verdict = result.Error
	other.Stages[0].Tests[0].Verdict = result.Error
	other.Build = &result.Failure{Kind: result.KindBuild, Seen: "It does not compile.", Detail: "labs/03-tcp-client/a.go:1:2: undefined: x", Look: []string{"labs/03-tcp-client/a.go:1"}}
	var out bytes.Buffer
	require.NoError(t, report.JUnit(&out, []*result.Result{mixed(), other}))
	golden(t, "junit.xml", out.String())

	// What the platforms ask for: readable XML, every test once, and sums that
	// are right.
	var file struct {
		Tests    int `xml:"tests,attr"`
		Failures int `xml:"failures,attr"`
		Errors   int `xml:"errors,attr"`
		Suites   []struct {
			Cases []struct {
				Class   string `xml:"classname,attr"`
				Name    string `xml:"name,attr"`
				Failure *struct {
					Message string `xml:"message,attr"`
				} `xml:"failure"`
				Error *struct{} `xml:"error"`
			} `xml:"testcase"`
		} `xml:"testsuite"`
	}
	require.NoError(t, xml.Unmarshal(out.Bytes(), &file))
	seen := map[string]bool{}
	failures, errors := 0, 0
	for _, suite := range file.Suites {
		for _, c := range suite.Cases {
			id := c.Class + "\x00" + c.Name
			require.False(t, seen[id], id)
			seen[id] = true
			if c.Failure != nil {
				failures++
				require.NotEmpty(t, c.Failure.Message)
			}
			if c.Error != nil {
				errors++
			}
		}
	}
	require.Equal(t, []int{len(seen), failures, errors}, []int{file.Tests, file.Failures, file.Errors})
}

func TestOneStageIsNotCounted(t *testing.T) {
	var out strings.Builder
	for _, s := range mixed().Stages {
		r := mixed()
		r.Stages, r.Verdict, r.Notes = []result.Stage{s}, s.Verdict, nil
		out.WriteString(printed(t, report.View{Style: report.Style{Width: 80}}, r) + "\n")
	}
	golden(t, "one-stage.txt", out.String())
}
