package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"workbook.example/tools/verify"
)

// Steps is the whole check of the workbook at root.
func Steps(ctx context.Context, root string) ([]Step, error) {
	out, err := command(ctx, root, nil, "go", "list", "-m", "-f", "{{.Dir}}")
	if err != nil {
		return nil, fmt.Errorf("which modules there are: %w\n%s", err, out)
	}
	modules := strings.Fields(out)
	tools := filepath.Join(root, "tools")
	below := func(dir string) []string {
		return slices.DeleteFunc(slices.Clone(modules), func(m string) bool { return filepath.Dir(m) != filepath.Join(root, dir) })
	}
	labs, solutions := below("labs"), below("solutions")
	finished := append([]string{tools}, solutions...)
	return []Step{
		{"gofmt", func(ctx context.Context) (Tally, string) { return gofmt(ctx, root) }},
		{"go vet", inEach(modules, nil, "go", "vet", "./...")},
		{"go vet for macOS", inEach(modules, []string{"GOOS=darwin"}, "go", "vet", "./...")},
		{"go vet for Windows", inEach(modules, []string{"GOOS=windows"}, "go", "vet", "./...")},
		{"staticcheck", inEach(finished, nil, "go", "tool", "staticcheck", "./...")},
		// A stub does not yet use what it is given.
		{"staticcheck of stubs", inEach(labs, nil, "go", "tool", "staticcheck", "-checks", "inherit,-U1000", "./...")},
		{"actionlint", func(ctx context.Context) (Tally, string) { return actionlint(ctx, root) }},
		{"shellcheck", func(ctx context.Context) (Tally, string) { return shellcheck(ctx, root) }},
		{"tests of the tools", func(ctx context.Context) (Tally, string) { return GoTest(ctx, []string{tools}) }},
		{"tests of solutions", func(ctx context.Context) (Tally, string) { return GoTest(ctx, solutions) }},
		{"fuzz", func(ctx context.Context) (Tally, string) {
			return Fuzz(ctx, filepath.Join(root, "solutions", "05-raw-diagnostics"), "FuzzDecode", 30*time.Second)
		}},
		{"lab verify", func(ctx context.Context) (Tally, string) { return verifyLabs(ctx, root) }},
	}, nil
}

// one is the outcome of a command that is one check.
func one(out string, err error) (Tally, string) {
	if err != nil {
		return Tally{Failed: 1}, fmt.Sprintf("%s%v", out, err)
	}
	return Tally{Passed: 1}, ""
}

// inEach runs a command in every module.
func inEach(modules, env []string, name string, args ...string) func(context.Context) (Tally, string) {
	return func(ctx context.Context) (Tally, string) {
		var total Tally
		var wrong []string
		for _, dir := range modules {
			tally, said := one(command(ctx, dir, env, name, args...))
			total.add(tally)
			if tally.Failed > 0 {
				wrong = append(wrong, "in "+dir+":\n"+said)
			}
		}
		if len(wrong) > 0 {
			return total, strings.Join(wrong, "\n")
		}
		return total, fmt.Sprintf("%d modules", len(modules))
	}
}

// gofmt looks at every Go file except those that tests keep wrong on purpose.
func gofmt(ctx context.Context, root string) (Tally, string) {
	files, err := tracked(ctx, root, "*.go")
	if err != nil {
		return one("", err)
	}
	files = slices.DeleteFunc(files, func(f string) bool { return strings.Contains(f, "testdata/") })
	out, err := command(ctx, root, nil, "gofmt", append([]string{"-l", "--"}, files...)...)
	if err == nil && out != "" {
		return Tally{Failed: 1}, "gofmt would change:\n" + out
	}
	if err != nil {
		return one(out, err)
	}
	return Tally{Passed: 1}, fmt.Sprintf("%d files", len(files))
}

func actionlint(ctx context.Context, root string) (Tally, string) {
	files, err := tracked(ctx, root, ".github/workflows/*.yml", "docs/*.yml")
	if err != nil {
		return one("", err)
	}
	args := []string{"tool", "actionlint", "-no-color"}
	for _, f := range files {
		args = append(args, filepath.Join(root, f))
	}
	tally, said := one(command(ctx, filepath.Join(root, "tools"), nil, "go", args...))
	if tally.Failed > 0 {
		return tally, said
	}
	return tally, fmt.Sprintf("%d workflows", len(files))
}

func shellcheck(ctx context.Context, root string) (Tally, string) {
	if _, err := exec.LookPath("shellcheck"); err != nil {
		return Tally{Skipped: []string{"shellcheck of the scripts: shellcheck is not installed"}}, "not installed"
	}
	files, err := tracked(ctx, root, ".ci/run", "*.sh")
	if err != nil {
		return one("", err)
	}
	tally, said := one(command(ctx, root, nil, "shellcheck", files...))
	if tally.Failed > 0 {
		return tally, said
	}
	return tally, fmt.Sprintf("%d scripts", len(files))
}

// tracked lists the files that git knows or would add, and that are still there.
func tracked(ctx context.Context, root string, patterns ...string) ([]string, error) {
	args := append([]string{"ls-files", "-z", "--cached", "--others", "--exclude-standard", "--"}, patterns...)
	cmd := exec.CommandContext(ctx, "git", args...)
	cmd.Dir = root
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("git ls-files: %w", err)
	}
	files := strings.FieldsFunc(string(out), func(r rune) bool { return r == 0 })
	return slices.DeleteFunc(files, func(f string) bool {
		_, err := os.Stat(filepath.Join(root, f))
		return err != nil
	}), nil
}

// verifyLabs has the proof of every lab made by the lab command, and counts its
// parts.
func verifyLabs(ctx context.Context, root string) (Tally, string) {
	file, err := os.CreateTemp("", "verify-*.json")
	if err != nil {
		return one("", err)
	}
	file.Close()
	defer os.Remove(file.Name())
	out, failed := command(ctx, root, nil, filepath.Join(root, "bin", "lab"), "verify", "--json", file.Name())
	text, err := os.ReadFile(file.Name())
	if err != nil {
		return one(out, err)
	}
	var labs []*verify.Report
	if err := json.Unmarshal(text, &labs); err != nil {
		return one(out, errors.Join(failed, err))
	}
	var t Tally
	for _, l := range labs {
		t.Passed += l.Caught
		t.Failed += len(l.Findings)
		t.Skipped = append(t.Skipped, l.NotRun...)
	}
	if failed != nil && t.Failed == 0 {
		return one(out, failed)
	}
	return t, strings.TrimSpace(out)
}
