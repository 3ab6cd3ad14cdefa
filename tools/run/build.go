package run

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"

	"golang.org/x/mod/modfile"

	"workbook.example/tools/course"
	"workbook.example/tools/result"
	"workbook.example/tools/sandbox"
	"workbook.example/tools/sources"
)

// Binary is a set that was built together with its lab's tests, ready to run
// any stage any number of times, also several at once.
type Binary struct {
	lab     *course.Lab
	set     *sources.Set
	dir     string // temporary: the test binary and all that its runs leave
	exe     string
	pkg     string // import path of the judged package
	placed  sources.Placed
	race    bool
	result  result.Result // what every result of this binary says alike
	changes changes
}

// BuildError says that the code does not build.
type BuildError struct {
	Failure result.Failure
	Result  result.Result // without stages
}

func (e *BuildError) Error() string { return e.Failure.Seen }

// Build compiles a set together with its lab's tests. It returns a *BuildError
// if the code is to blame. The caller must Close the Binary.
func Build(ctx context.Context, lab *course.Lab, set *sources.Set, opts Options) (_ *Binary, err error) {
	tools, err := findToolchain(ctx)
	if err != nil {
		return nil, err
	}
	race, note, err := tools.raceDetector(opts.Race)
	if err != nil {
		return nil, err
	}
	dir, err := os.MkdirTemp("", "workbook-")
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = os.RemoveAll(dir)
		}
	}()
	b := &Binary{lab: lab, set: set, dir: dir, exe: filepath.Join(dir, "lab.test"), race: race, result: newResult(lab, set)}
	if b.pkg, err = modulePath(lab); err != nil {
		return nil, err
	}
	if b.placed, err = set.Place(dir); err != nil {
		return nil, err
	}
	if note != "" {
		b.result.Notes = append(b.result.Notes, note)
	}
	b.result.Race = race
	b.result.Go = tools.Version

	// What else must be known is found out while the compiler works.
	isolated := make(chan result.Isolation, 1)
	changed := make(chan changes, 1)
	go func() { isolated <- sandbox.Detect() }()
	go func() { changed <- findChanges(ctx, set) }()
	out, err := b.compile(ctx)
	b.result.Isolation = <-isolated
	b.changes = <-changed
	b.result.Notes = append(b.result.Notes, b.changes.notes()...)

	if err != nil && opts.Race != RaceOn && brokenC(out) {
		if race {
			b.race, b.result.Race = false, false
			b.result.Notes = append(b.result.Notes, noteBrokenC)
		}
		out, err = b.compile(ctx, "CGO_ENABLED=0")
	}
	if err == nil {
		return b, nil
	}
	if ctx.Err() != nil {
		return nil, ctx.Err()
	}
	failure, blame := b.explain(ctx, out)
	if !blame {
		return nil, fmt.Errorf("go test -c: %w\n%s", err, bytes.TrimSpace(out))
	}
	return nil, &BuildError{Failure: failure, Result: b.result}
}

// compile makes the test binary. It runs in the workbook's root, so that the
// compiler's paths are those of the workbook.
func (b *Binary) compile(ctx context.Context, env ...string) ([]byte, error) {
	// Vet's opinion is not a law of the lab; `go vet` is there to ask for it.
	// Without symbols, and what a debugger wants, compiler and linker are quicker;
	// stacks need neither.
	args := []string{"test", "-c", "-vet=off", "-gcflags=-dwarf=false", "-ldflags=-s -w", "-o", b.exe}
	if b.race {
		args = append(args, "-race")
	}
	if b.placed.Overlay != "" {
		args = append(args, "-overlay", b.placed.Overlay)
	}
	cmd := exec.CommandContext(ctx, "go", append(args, "./"+b.lab.Path())...)
	cmd.Dir = b.lab.Root
	// Compiler and linker end before it pays to collect their garbage.
	cmd.Env = append(append(goEnv(b.lab), "GOGC=off", "GOMEMLIMIT=512MiB"), env...)
	out, err := cmd.CombinedOutput()
	if err == nil {
		// A package without a test file builds nothing, and says so kindly.
		if _, gone := os.Stat(b.exe); gone != nil {
			err = errors.New("no test binary was built")
		}
	}
	return out, err
}

// goEnv is the environment for the go command: whatever the user has, but this
// workbook.
func goEnv(lab *course.Lab) []string {
	return append(os.Environ(), "GOWORK="+filepath.Join(lab.Root, "go.work"))
}

func modulePath(lab *course.Lab) (string, error) {
	text, err := os.ReadFile(filepath.Join(lab.Dir, "go.mod"))
	if err != nil {
		return "", err
	}
	path := modfile.ModulePath(text)
	if path == "" {
		return "", fmt.Errorf("%s/go.mod names no module", lab.Path())
	}
	return path, nil
}

// Result is a result without stages: what is known before any was run.
func (b *Binary) Result() result.Result {
	r := b.result
	r.Notes = slices.Clone(r.Notes)
	return r
}

// Path is where the test binary is until Close.
func (b *Binary) Path() string { return b.exe }

// Close removes the binary.
func (b *Binary) Close() error { return os.RemoveAll(b.dir) }
