//go:build !linux

package main

// An option is one that is worth a line.
type option struct {
	name          string
	level, option int
	unit          string
}

// optionsOf are none where their numbers are not known.
func optionsOf(socket) []option { return nil }
