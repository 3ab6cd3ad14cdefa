package report

import (
	"encoding/xml"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"

	"workbook.example/tools/result"
)

// The elements of a JUnit file, as GitLab, Artemis and the GitHub actions that
// show one agree on them.
type (
	junitFile struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Name     string       `xml:"name,attr"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Time     string       `xml:"time,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name       string          `xml:"name,attr"`
		Tests      int             `xml:"tests,attr"`
		Failures   int             `xml:"failures,attr"`
		Errors     int             `xml:"errors,attr"`
		Skipped    int             `xml:"skipped,attr"`
		Time       string          `xml:"time,attr"`
		Timestamp  string          `xml:"timestamp,attr"`
		Properties []junitProperty `xml:"properties>property"`
		Cases      []junitCase     `xml:"testcase"`
	}
	junitProperty struct {
		Name  string `xml:"name,attr"`
		Value string `xml:"value,attr"`
	}
	junitCase struct {
		// GitLab counts only the first of equal classname and name, and shows
		// the classname as the suite.
		Class   string        `xml:"classname,attr"`
		Name    string        `xml:"name,attr"`
		Time    string        `xml:"time,attr"`
		File    string        `xml:"file,attr,omitempty"`
		Line    string        `xml:"line,attr,omitempty"`
		Skipped *junitMessage `xml:"skipped"`
		Failure *junitMessage `xml:"failure"`
		Error   *junitMessage `xml:"error"`
		Output  *junitOutput  `xml:"system-out"`
	}
	junitMessage struct {
		Message string `xml:"message,attr"`
		Type    string `xml:"type,attr,omitempty"`
		Text    string `xml:",cdata"`
	}
	junitOutput struct {
		Text string `xml:",cdata"`
	}
)

// JUnit writes results as one JUnit XML file, a suite for each stage. What the
// code did wrong is a failure, however it died of it; an error is our own
// trouble.
func JUnit(w io.Writer, results []*result.Result) error {
	file := junitFile{Name: "workbook"}
	var whole float64
	for _, r := range results {
		whole += r.Seconds
		for _, s := range r.Stages {
			suite := newSuite(r, s)
			file.Tests += suite.Tests
			file.Failures += suite.Failures
			file.Errors += suite.Errors
			file.Suites = append(file.Suites, suite)
		}
	}
	file.Time = seconds(whole)
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	out := xml.NewEncoder(w)
	out.Indent("", "  ")
	if err := out.Encode(file); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func newSuite(r *result.Result, s result.Stage) junitSuite {
	suite := junitSuite{
		Name:      fmt.Sprintf("Lab %d %s · %d %s", r.Lab.Number, r.Lab.Title, s.ID, s.Title),
		Tests:     len(s.Tests),
		Time:      seconds(s.Seconds),
		Timestamp: r.Started.UTC().Format(time.RFC3339),
		Properties: []junitProperty{
			{"source", strings.TrimSpace(r.Source.Kind + " " + harmless(r.Source.Name))},
			{"go", r.Go},
			{"platform", r.Platform},
			{"race", strconv.FormatBool(r.Race)},
			{"isolation", r.Isolation.Level},
		},
	}
	for _, t := range s.Tests {
		c := junitCase{Class: suite.Name, Name: t.Name, Time: seconds(t.Seconds)}
		switch m := message(t, r.Build); t.Verdict {
		case result.Pass:
		case result.NotRun:
			c.Skipped = m
			suite.Skipped++
		case result.Fault:
			c.Error = m
			suite.Errors++
		default:
			c.Failure = m
			suite.Failures++
		}
		if t.Verdict != result.Pass {
			if t.Output != "" {
				c.Output = &junitOutput{harmless(t.Output)}
			}
			c.File, c.Line = place(t.Failure, r.Build)
		}
		suite.Cases = append(suite.Cases, c)
	}
	return suite
}

// message is what is said about a test that did not pass. Why code does not
// build is said in full with every test: a platform may show any one of them.
func message(t result.Test, build *result.Failure) *junitMessage {
	f := t.Failure
	if build != nil {
		f = build
	}
	if f == nil {
		return &junitMessage{Message: string(t.Verdict)}
	}
	first, _, _ := strings.Cut(f.Seen, "\n")
	return &junitMessage{Message: harmless(first), Type: string(f.Kind), Text: "\n" + harmless(f.Text())}
}

func place(f, build *result.Failure) (file, line string) {
	if build != nil {
		f = build
	}
	if f == nil || len(f.Look) == 0 {
		return "", ""
	}
	file, line, _ = strings.Cut(f.Look[0], ":")
	return file, line
}

// seconds is a time as every reader of JUnit files takes it.
func seconds(s float64) string { return strconv.FormatFloat(s, 'f', 6, 64) }
