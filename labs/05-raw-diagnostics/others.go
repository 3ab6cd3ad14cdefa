//go:build !linux

package rawdiag
