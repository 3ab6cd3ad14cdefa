//go:build !linux

package netshell

import (
	"errors"

	"workbook.example/tools/netlab"
)

func names(*netlab.Net, string) error { return errors.ErrUnsupported }
