package sandbox

import (
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"

	"golang.org/x/sys/unix"

	"workbook.example/tools/result"
)

// shimName is argv[0] of a copy of this program that sets up its namespace.
const shimName = "workbook-sandbox"

// shimFailed is the status of a shim that could not do its work; sysexits(3)
// calls it EX_OSERR.
const shimFailed = 71

// shim brings the new namespace's loopback up and becomes the program in args;
// with no args it was only asked whether it can.
func shim(args []string) {
	if err := loopbackUp(); err != nil {
		fmt.Fprintln(os.Stderr, "loopback:", err)
		os.Exit(shimFailed)
	}
	if len(args) == 0 {
		os.Exit(0)
	}
	os.Setenv(envInside, namespaceID())
	err := unix.Exec(args[0], args, os.Environ())
	fmt.Fprintf(os.Stderr, "%s: %v\n", args[0], err)
	os.Exit(shimFailed)
}

// namespaceID identifies the network namespace that this process began in; see
// namespaces(7).
func namespaceID() string {
	id, _ := os.Readlink("/proc/self/ns/net")
	return id
}

// loopbackUp sets IFF_UP on lo; a new network namespace starts with it down,
// see network_namespaces(7) and netdevice(7). The kernel adds the addresses.
func loopbackUp() error {
	fd, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(fd)
	lo, err := unix.NewIfreq("lo")
	if err != nil {
		return err
	}
	if err := unix.IoctlIfreq(fd, unix.SIOCGIFFLAGS, lo); err != nil {
		return err
	}
	lo.SetUint16(lo.Uint16() | unix.IFF_UP)
	return unix.IoctlIfreq(fd, unix.SIOCSIFFLAGS, lo)
}

// detect runs a shim that has nothing else to do.
func detect() result.Isolation {
	out, err := command(Namespace, "").CombinedOutput()
	if err == nil {
		return result.Isolation{Level: Namespace}
	}
	reason := strings.TrimSpace(string(out))
	if reason == "" {
		reason = err.Error()
	}
	return result.Isolation{
		Level:  None,
		Reason: "this kernel does not let a program make namespaces of its own (" + reason + ")",
		Remedy: remedy(),
	}
}

// remedy names the switch that is in the way, if it can be seen. Ubuntu from
// 24.04 on restricts user namespaces through AppArmor, other systems count
// them; in a container it is usually the container's seccomp profile.
func remedy() string {
	read := func(path string) string {
		text, _ := os.ReadFile(path)
		return strings.TrimSpace(string(text))
	}
	switch {
	case read("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1":
		return "sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0"
	case read("/proc/sys/kernel/unprivileged_userns_clone") == "0":
		return "sudo sysctl kernel.unprivileged_userns_clone=1"
	case read("/proc/sys/user/max_user_namespaces") == "0":
		return "sudo sysctl user.max_user_namespaces=10000"
	default:
		return "in a container: start it with --security-opt seccomp=unconfined"
	}
}

func command(level, name string, arg ...string) *exec.Cmd {
	attr := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if level != Namespace {
		cmd := exec.Command(name, arg...)
		cmd.SysProcAttr = attr
		return cmd
	}
	attr.Cloneflags = syscall.CLONE_NEWUSER | syscall.CLONE_NEWNET
	attr.UidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getuid(), Size: 1}}
	attr.GidMappings = []syscall.SysProcIDMap{{ContainerID: 0, HostID: os.Getgid(), Size: 1}}
	cmd := &exec.Cmd{Path: "/proc/self/exe", Args: []string{shimName}, SysProcAttr: attr}
	if name != "" {
		cmd.Args = append(append(cmd.Args, name), arg...)
	}
	return cmd
}
