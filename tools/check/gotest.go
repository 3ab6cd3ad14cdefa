package check

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"time"
)

// GoTest runs the tests of modules of one workspace, with the race detector where there
// is a C compiler for it. Twice as many packages as there are cores are tested at once,
// because much of what tests of sockets and processes do is to wait.
func GoTest(ctx context.Context, modules []string) (Tally, string) {
	var total Tally
	args := []string{"test", "-json", "-p", strconv.Itoa(2 * runtime.NumCPU())}
	if raceDetector(ctx) {
		args = append(args, "-race")
	} else {
		total.Skipped = append(total.Skipped, "the race detector: there is no C compiler (apt-get install gcc)")
	}
	for _, dir := range modules {
		whole, err := filepath.Abs(dir)
		if err != nil {
			return one("", err)
		}
		args = append(args, filepath.Join(whole, "..."))
	}
	out, err := command(ctx, modules[0], nil, "go", args...)
	tally, said := readTestJSON(out)
	if err != nil && tally.Failed == 0 {
		tally, said = one(out, err)
	}
	total.add(tally)
	if tally.Failed > 0 {
		return total, said
	}
	return total, fmt.Sprintf("%d tests", total.Passed)
}

// Fuzz has Go look for an input that a fuzz target of the package in dir fails with,
// for so long. One that it finds stays in the package's testdata/fuzz.
func Fuzz(ctx context.Context, dir, target string, d time.Duration) (Tally, string) {
	out, err := command(ctx, dir, nil, "go", "test", "-run=^$", "-fuzz=^"+target+"$", "-fuzztime="+d.String(), ".")
	// That there is no such target is only a warning.
	if err == nil && !strings.Contains(out, "fuzz: elapsed") {
		err = fmt.Errorf("%s was not fuzzed", target)
	}
	tally, said := one(out, err)
	if tally.Failed > 0 {
		return tally, said
	}
	return tally, fmt.Sprintf("%s for %v", target, d)
}

// raceDetector reports whether -race can be built here.
func raceDetector(ctx context.Context) bool {
	out, err := exec.CommandContext(ctx, "go", "env", "CGO_ENABLED", "CC").Output()
	enabled, cc, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	if err != nil || enabled != "1" {
		return false
	}
	_, err = exec.LookPath(cc)
	return err == nil
}

// testEvent is a line of `go test -json`; see `go doc test2json`.
type testEvent struct {
	Action      string
	Package     string
	ImportPath  string
	Test        string
	Output      string
	FailedBuild string
}

// readTestJSON counts top-level tests and collects the output of those that
// failed. A package that failed without a failed test counts as one.
func readTestJSON(out string) (Tally, string) {
	var tally Tally
	var said strings.Builder
	output := map[string]*strings.Builder{} // by package, or by package and test
	failedTests := map[string]bool{}        // by package
	of := func(key string) *strings.Builder {
		if output[key] == nil {
			output[key] = new(strings.Builder)
		}
		return output[key]
	}
	for line := range strings.Lines(out) {
		var e testEvent
		if json.Unmarshal([]byte(line), &e) != nil {
			said.WriteString(line)
			continue
		}
		test, _, sub := strings.Cut(e.Test, "/")
		key := e.Package + " " + test
		switch e.Action {
		case "output", "build-output":
			if e.Action == "build-output" {
				key = e.ImportPath
			}
			if !strings.HasPrefix(e.Output, "=== ") { // that a test runs, pauses, goes on
				of(key).WriteString(e.Output)
			}
		case "pass":
			if test != "" && !sub {
				tally.Passed++
				delete(output, key)
			}
		case "skip":
			if test != "" {
				tally.Skipped = append(tally.Skipped, e.Package+" "+e.Test+": "+skipReason(of(key).String()))
			}
		case "fail":
			switch {
			case test != "" && !sub:
				tally.Failed++
				failedTests[e.Package] = true
				fmt.Fprintf(&said, "%s\n%s", e.Package, of(key))
			case test == "" && !failedTests[e.Package]:
				tally.Failed++
				fmt.Fprintf(&said, "%s\n%s", e.Package, of(e.FailedBuild))
				// What a test has said that never ended belongs to it as well.
				for _, key := range slices.Sorted(maps.Keys(output)) {
					if strings.HasPrefix(key, e.Package+" ") {
						said.WriteString(output[key].String())
					}
				}
			}
		}
	}
	return tally, said.String()
}

// reasonLine is how testing prints what t.Skip was told.
var reasonLine = regexp.MustCompile(`(?m)^\s+\w+\.go:\d+: (.*)$`)

func skipReason(output string) string {
	all := reasonLine.FindAllStringSubmatch(output, -1)
	if len(all) == 0 {
		return "no reason given"
	}
	return all[len(all)-1][1]
}
