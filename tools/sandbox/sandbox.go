// Package sandbox starts processes apart from the machine and from each other,
// as far as this kernel allows, and says how far that is. On Linux a process
// gets a user and a network namespace of its own: a loopback that nobody else
// uses, no way out, and raw sockets without being root.
package sandbox

import (
	"os"
	"os/exec"

	"workbook.example/tools/result"
)

// EnvSwitch turns the sandbox off when it is set to "off".
const EnvSwitch = "WORKBOOK_SANDBOX"

// The levels of isolation.
const (
	Namespace = "namespace" // a user and a network namespace of its own
	None      = "none"      // a process group of its own, nothing more
)

// envInside names the network namespace that a sandboxed process began in.
const envInside = "WORKBOOK_NAMESPACE"

// Inside reports whether this process is in a network namespace that Command
// made for it. There it may do with the network what it likes: make links,
// change settings, be root; nothing of it reaches the machine's own network.
func Inside() bool {
	mine := namespaceID()
	return mine != "" && os.Getenv(envInside) == mine
}

// Init must be the first call of main, and of TestMain where a test starts
// sandboxed processes: such a process begins as another copy of this program,
// which Init turns into what was asked for. In any other process it does
// nothing.
func Init() {
	if len(os.Args) > 0 && os.Args[0] == shimName {
		shim(os.Args[1:])
	}
}

// Detect tries what this machine allows and returns it. It starts a process,
// which takes some milliseconds.
func Detect() result.Isolation {
	if os.Getenv(EnvSwitch) == "off" {
		return result.Isolation{
			Level:  None,
			Reason: "the sandbox was switched off with " + EnvSwitch + "=off",
			Remedy: "unset " + EnvSwitch,
		}
	}
	return detect()
}

// Command is exec.Command for a process that is isolated as Detect said. The
// process leads a group of its own, for Signal, and dies with this one where
// the platform can promise that.
func Command(iso result.Isolation, name string, arg ...string) *exec.Cmd {
	return command(iso.Level, name, arg...)
}
