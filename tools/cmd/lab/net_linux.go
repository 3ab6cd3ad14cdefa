package main

import (
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// forPerson changes how a sandboxed command starts, for a person at a terminal.
func forPerson(cmd *exec.Cmd) {
	cmd.SysProcAttr.Cloneflags |= unix.CLONE_NEWNS // names are in a file of its own
	// A process group in the background may not read from the terminal.
	cmd.SysProcAttr.Setpgid = false
	// Not root, but somebody with root's rights over this network: programs that
	// give up being root, like tcpdump, would try to become a user that is not
	// there; see user_namespaces(7) and capabilities(7).
	user := func(id int) int {
		if id == 0 {
			return 1000
		}
		return id
	}
	cmd.SysProcAttr.UidMappings = []syscall.SysProcIDMap{{ContainerID: user(os.Getuid()), HostID: os.Getuid(), Size: 1}}
	cmd.SysProcAttr.GidMappings = []syscall.SysProcIDMap{{ContainerID: user(os.Getgid()), HostID: os.Getgid(), Size: 1}}
	cmd.SysProcAttr.AmbientCaps = []uintptr{unix.CAP_NET_ADMIN, unix.CAP_NET_RAW, unix.CAP_NET_BIND_SERVICE, unix.CAP_SYS_ADMIN, unix.CAP_SYS_PTRACE}
}
