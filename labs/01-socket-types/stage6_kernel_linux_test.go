package sockettypes_test

import (
	"net"
	"os"
	"testing"

	"golang.org/x/sys/unix"

	sockettypes "workbook.example/labs/01-socket-types"
	"workbook.example/tools/labtest"
)

func TestKernelsRarerErrorsAreTold(tt *testing.T) {
	t := labtest.Begin(tt)
	hasIPv6(t)
	// Nothing leaves the machine: the loopback interface has no such network.
	_, err := net.Dial("tcp", "[fe80::1%lo]:9")
	expectKind(t, "Dialling an address to which there is no way", err, sockettypes.Unreachable)

	c := listenUDP(t)
	setOption(t, c, unix.SOL_SOCKET, unix.SO_BROADCAST, 0)
	_, err = c.WriteTo([]byte("x"), &net.UDPAddr{IP: net.IPv4(127, 255, 255, 255), Port: 9})
	expectKind(t, "Sending to everybody without having asked for it (SO_BROADCAST)", err, sockettypes.Denied)

	expectKind(t, "Listening when no more files may be open", withoutFiles(t, func() error {
		l, err := net.Listen("tcp4", "127.0.0.1:0")
		if err == nil {
			l.Close()
		}
		return err
	}), sockettypes.NoFiles)
}

func TestGivenUpByTheKernelIsTimedOut(tt *testing.T) {
	t := labtest.Begin(tt)
	// First as it looks, which takes no time, then as it comes.
	expectKind(t, "Reading from a connection that the kernel has given up",
		&net.OpError{Op: "read", Net: "tcp", Err: os.NewSyscallError("read", unix.ETIMEDOUT)}, sockettypes.TimedOut)
	near, far := connect(t)
	setOption(t, near, unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, 200)
	deafen(t, far)
	near.Write([]byte("x"))
	deadlined(near)
	_, err := near.Read(make([]byte, 1))
	expectKind(t, "Reading from a connection that the kernel has given up", err, sockettypes.TimedOut)
}

// withoutFiles calls f while this process may open no more files.
func withoutFiles(t *labtest.T, f func() error) error {
	t.Helper()
	var limit unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_NOFILE, &limit); err != nil {
		t.Fatalf("%v", err)
	}
	none := limit
	none.Cur = 0
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, &none); err != nil {
		t.Fatalf("%v", err)
	}
	defer unix.Setrlimit(unix.RLIMIT_NOFILE, &limit)
	return f()
}
