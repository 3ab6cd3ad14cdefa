package netlab

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// WithoutRaw calls f on a thread that has not the right to raw sockets
// (CAP_NET_RAW), as an ordinary user's. Goroutines that f starts have it.
func WithoutRaw(f func() error) error {
	result := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		var caps [2]unix.CapUserData // capabilities(7), version 3
		header := unix.CapUserHeader{Version: unix.LINUX_CAPABILITY_VERSION_3}
		if err := unix.Capget(&header, &caps[0]); err != nil {
			result <- err
			return
		}
		reduced := caps
		reduced[0].Effective &^= 1 << unix.CAP_NET_RAW
		if err := unix.Capset(&header, &reduced[0]); err != nil {
			result <- err
			return
		}
		err := f()
		// A thread that stays without it ends with its goroutine.
		if unix.Capset(&header, &caps[0]) == nil {
			runtime.UnlockOSThread()
		}
		result <- err
	}()
	return <-result
}
