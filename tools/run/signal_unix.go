//go:build unix

package run

import (
	"os"
	"syscall"
)

// signalOf is the signal that a process died of, if it did.
func signalOf(state *os.ProcessState) (os.Signal, bool) {
	status, ok := state.Sys().(syscall.WaitStatus)
	if !ok || !status.Signaled() {
		return nil, false
	}
	return status.Signal(), true
}
