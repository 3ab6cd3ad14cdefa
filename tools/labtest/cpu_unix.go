//go:build unix

package labtest

import (
	"syscall"
	"time"
)

// CPUTime is the processor time that this process has used so far, its own and
// the kernel's for it (getrusage(2)). Comparing it tells what work costs, whatever
// else the machine is busy with. Where it cannot be told, ok is false.
func CPUTime() (used time.Duration, ok bool) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, false
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), true
}
