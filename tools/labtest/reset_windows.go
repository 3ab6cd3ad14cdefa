package labtest

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isReset reports whether the other end had thrown the connection away.
func isReset(err error) bool {
	return errors.Is(err, windows.WSAECONNRESET) || errors.Is(err, windows.WSAECONNABORTED)
}
