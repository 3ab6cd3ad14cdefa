//go:build !unix

package labtest

import "time"

// CPUTime is the processor time that this process has used so far. Here it
// cannot be told.
func CPUTime() (used time.Duration, ok bool) { return 0, false }
