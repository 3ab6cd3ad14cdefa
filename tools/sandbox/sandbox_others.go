//go:build !linux

package sandbox

import (
	"os/exec"
	"runtime"

	"workbook.example/tools/result"
)

// shimName is no program's name: without namespaces there is no shim.
const shimName = "\x00"

func shim([]string) {}

func namespaceID() string { return "" }

func detect() result.Isolation {
	return result.Isolation{
		Level:  None,
		Reason: "namespaces are a thing of Linux, and this is " + runtime.GOOS,
	}
}

func command(_, name string, arg ...string) *exec.Cmd {
	cmd := exec.Command(name, arg...)
	cmd.SysProcAttr = groupLeader()
	return cmd
}
