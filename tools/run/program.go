package run

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"runtime"

	"workbook.example/tools/course"
	"workbook.example/tools/sources"
)

// Program builds the program of a lab from a set, into dir, and returns its
// path. It returns a *BuildError if the code is to blame.
func Program(ctx context.Context, lab *course.Lab, set *sources.Set, dir string) (string, error) {
	if _, err := findToolchain(ctx); err != nil {
		return "", err
	}
	placed, err := set.Place(dir)
	if err != nil {
		return "", err
	}
	b := &Binary{lab: lab, set: set, dir: dir, placed: placed, result: newResult(lab, set), exe: filepath.Join(dir, lab.Program)}
	if runtime.GOOS == "windows" {
		b.exe += ".exe"
	}
	args := []string{"build", "-o", b.exe}
	if placed.Overlay != "" {
		args = append(args, "-overlay", placed.Overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+lab.Path()+"/cmd/"+lab.Program)...)
	cmd.Dir = lab.Root
	cmd.Env = goEnv(lab)
	out, err := cmd.CombinedOutput()
	if err == nil {
		return b.exe, nil
	}
	failure, blame := b.explain(ctx, out)
	if !blame {
		return "", fmt.Errorf("go build: %w\n%s", err, out)
	}
	return "", &BuildError{Failure: failure, Result: b.result}
}
