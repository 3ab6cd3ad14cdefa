//go:build unix

package sandbox

import (
	"os/exec"
	"syscall"
)

// Dump asks the whole group of a started process to say what it is doing and
// to end: a Go program answers SIGQUIT with the stacks of all goroutines.
func Dump(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGQUIT) }

// Kill ends the whole group of a started process.
func Kill(cmd *exec.Cmd) { _ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
