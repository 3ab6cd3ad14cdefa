package run

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"workbook.example/tools/result"
	"workbook.example/tools/sandbox"
)

// grace is how long a process that was asked for its goroutines may take to
// print them.
const grace = 3 * time.Second

// ended is how a test process ended and all that it left.
type ended struct {
	events []result.Event
	stream *stream
	dump   string // last words, if it died of a panic or was asked for them
	hung   bool   // it gave no sign of progress and was ended
	state  *os.ProcessState
}

// process runs the tests of the binary that the pattern matches.
func (b *Binary) process(ctx context.Context, tests []string, opts Options) (*ended, error) {
	events, err := os.CreateTemp(b.dir, "events-*.jsonl")
	if err != nil {
		return nil, err
	}
	defer func() {
		events.Close()
		_ = os.Remove(events.Name())
	}()

	quiet := opts.Quiet
	if quiet == 0 {
		quiet = DefaultQuiet
	}
	alarm := time.NewTimer(quiet)
	defer alarm.Stop()
	out := newStream(func() { alarm.Reset(quiet) })

	cmd := sandbox.Command(b.result.Isolation, b.exe,
		"-test.run=^("+strings.Join(tests, "|")+")$", "-test.v=test2json", "-test.paniconexit0", "-test.timeout=0")
	cmd.Dir = b.lab.Dir
	cmd.Env = b.testEnv(events.Name(), opts.Seed)
	cmd.Stdout, cmd.Stderr = out, out
	cmd.WaitDelay = time.Second // for a grandchild that keeps the pipe

	// The kernel sends the parent's death to the child when the thread that
	// started it ends; see prctl(2), PR_SET_PDEATHSIG.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	if err := cmd.Start(); err != nil {
		return nil, fmt.Errorf("start the tests: %w", err)
	}
	waited := make(chan error, 1)
	go func() { waited <- cmd.Wait() }()

	end := &ended{stream: out}
	var kill <-chan time.Time
	for {
		select {
		case err = <-waited:
		case <-alarm.C:
			end.hung = true
			sandbox.Dump(cmd)
			kill = time.After(grace)
			continue
		case <-kill:
			sandbox.Kill(cmd)
			continue
		case <-ctx.Done():
			sandbox.Kill(cmd)
			<-waited
			return nil, ctx.Err()
		}
		break
	}
	sandbox.Kill(cmd) // whoever the process started and left behind
	if exit := new(exec.ExitError); err != nil && !errors.As(err, &exit) && !errors.Is(err, exec.ErrWaitDelay) {
		return nil, fmt.Errorf("run the tests: %w", err)
	}
	end.state = cmd.ProcessState
	end.dump = out.close()
	end.events, err = result.ReadEvents(events)
	return end, err
}

// testEnv is the environment of a test process.
func (b *Binary) testEnv(events, seed string) []string {
	env := []string{
		result.EnvEvents + "=" + events,
		result.EnvLab + "=" + b.lab.Dir,
		result.EnvCode + "=" + b.placed.Code,
		"GOTRACEBACK=single",
		// Without this the race detector waits a second at the end of each
		// process that still has goroutines.
		"GORACE=atexit_sleep_ms=0",
	}
	if seed != "" {
		env = append(env, result.EnvSeed+"="+seed)
	}
	for _, set := range os.Environ() {
		if !strings.HasPrefix(set, "WORKBOOK_") && !strings.HasPrefix(set, "GOTRACEBACK=") && !strings.HasPrefix(set, "GORACE=") {
			env = append(env, set)
		}
	}
	return env
}
