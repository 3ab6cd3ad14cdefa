package sockettypes

import (
	"fmt"
	"os"
	"syscall"

	"golang.org/x/sys/unix"
)

// GetInt returns the value of a socket option whose value is a number, or yes
// and no (1 and 0), as the kernel has it: level unix.SOL_SOCKET for those of
// socket(7), unix.IPPROTO_TCP for those of tcp(7), and so on. errors.Is finds
// the kernel's error, such as unix.ENOPROTOOPT when there is no such option.
func GetInt(c syscall.Conn, level, option int) (int, error) {
	value := 0
	ask := func(fd int) (err error) {
		value, err = unix.GetsockoptInt(fd, level, option)
		return os.NewSyscallError("getsockopt", err)
	}
	if err := onSocket(c, ask); err != nil {
		return 0, fmt.Errorf("get option %d of level %d: %w", option, level, err)
	}
	return value, nil
}

// SetInt sets a socket option. The kernel may make something else of value
// than was asked for, without an error: GetInt tells. errors.Is finds the
// kernel's error.
func SetInt(c syscall.Conn, level, option, value int) error {
	err := onSocket(c, func(fd int) error {
		return os.NewSyscallError("setsockopt", unix.SetsockoptInt(fd, level, option, value))
	})
	if err != nil {
		return fmt.Errorf("set option %d of level %d to %d: %w", option, level, value, err)
	}
	return nil
}

// SetBuffer asks for size bytes of room in the kernel for what is on its way in
// one direction, and returns the size that the kernel really set. Linux doubles
// what is asked for, since its own book-keeping lives in there too, and cuts it
// to a limit (net.core.rmem_max, net.core.wmem_max); and it has a smallest size,
// some thousand bytes, which whoever asks for one byte gets. See socket(7).
func SetBuffer(c syscall.Conn, d Direction, size int) (effective int, err error) {
	option, known := map[Direction]int{Receive: unix.SO_RCVBUF, Send: unix.SO_SNDBUF}[d]
	if !known {
		return 0, fmt.Errorf("set buffer: no direction %d", int(d))
	}
	if err := SetInt(c, unix.SOL_SOCKET, option, size); err != nil {
		return 0, err
	}
	return GetInt(c, unix.SOL_SOCKET, option)
}
