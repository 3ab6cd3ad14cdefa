//go:build !windows

package labtest

import (
	"errors"
	"syscall"
)

// isReset reports whether the other end had thrown the connection away.
func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
