//go:build !linux

package labtest

import "errors"

func listenFull(string) (*FullListener, error) { return nil, errors.ErrUnsupported }
