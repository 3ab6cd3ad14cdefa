// Package echo is a lab as small as a lab can be, to test the runner with.
package echo
