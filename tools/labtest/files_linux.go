package labtest

import (
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

const fdDir = "/proc/self/fd"

// openFiles describes the open sockets and files of the process, by the name
// that the kernel gives to what is behind the descriptor. What Go keeps open for
// its own use is not among them: epoll, eventfd, and the pipes through which
// io.Copy moves bytes from one connection to another (splice(2)).
func openFiles() map[string]string {
	dir, err := os.Open(fdDir)
	if err != nil {
		return nil // no /proc here: nothing is counted
	}
	names, _ := dir.Readdirnames(-1)
	dir.Close()

	open := map[string]string{}
	for _, name := range names {
		target, err := os.Readlink(fdDir + "/" + name)
		if err != nil || strings.HasPrefix(target, "anon_inode:") || strings.HasPrefix(target, "pipe:") {
			continue // the descriptor of dir itself is gone by now
		}
		fd, _ := strconv.Atoi(name)
		open[target] = describe(fd, target)
	}
	return open
}

// describe says what a descriptor is to somebody who has to find it.
func describe(fd int, target string) string {
	if !strings.HasPrefix(target, "socket:") {
		return target
	}
	local, err := unix.Getsockname(fd)
	if err != nil {
		return wordSocket
	}
	here := address(local)
	if listening, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_ACCEPTCONN); err == nil && listening == 1 {
		return fmt.Sprintf(labelListener, here)
	}
	if remote, err := unix.Getpeername(fd); err == nil {
		return fmt.Sprintf(labelConnection, here, address(remote))
	}
	return fmt.Sprintf(labelSocket, here)
}

func address(a unix.Sockaddr) string {
	switch a := a.(type) {
	case *unix.SockaddrInet4:
		return netip.AddrPortFrom(netip.AddrFrom4(a.Addr), uint16(a.Port)).String()
	case *unix.SockaddrInet6:
		return netip.AddrPortFrom(netip.AddrFrom16(a.Addr).Unmap(), uint16(a.Port)).String()
	case *unix.SockaddrUnix:
		return a.Name
	}
	return wordSocket
}
