//go:build unix

package main

import (
	"os"

	"golang.org/x/sys/unix"
)

// size is how large the terminal is; ok is false if file is none.
func size(file *os.File) (width, height int, ok bool) {
	ws, err := unix.IoctlGetWinsize(int(file.Fd()), unix.TIOCGWINSZ)
	if err != nil {
		return 0, 0, false
	}
	if ws.Col == 0 || ws.Row == 0 { // a terminal that does not say
		return 80, 24, true
	}
	return int(ws.Col), int(ws.Row), true
}
