package sockettypes

import (
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Probe finds out which special sockets this process may open, by opening one
// of each, and closes them again. Who the user is does not tell: a root in a
// container may lack the capability, and anybody else may have it, see
// capabilities(7).
func Probe() Access {
	try := func(family, typ, protocol int) error {
		f, err := Open(family, typ, protocol)
		if err != nil {
			return err
		}
		return f.Close()
	}
	return Access{
		Raw:        try(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP),
		Packet:     try(unix.AF_PACKET, unix.SOCK_RAW, 0),
		Ping:       try(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP),
		Namespaces: namespaces(),
	}
}

// PeerCred returns who connected to this end of a Unix stream socket, or whom
// this end connected to. It is the kernel's word, taken when the connection was
// made, and the peer has no say in it; see SO_PEERCRED in unix(7).
func PeerCred(c *net.UnixConn) (Cred, error) {
	var cred *unix.Ucred
	err := onSocket(c, func(fd int) (err error) {
		cred, err = unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		return os.NewSyscallError("getsockopt", err)
	})
	if err != nil {
		return Cred{}, err
	}
	return Cred{PID: int(cred.Pid), UID: int(cred.Uid), GID: int(cred.Gid)}, nil
}

// OpenICMP opens an IPv4 socket that sends echo requests and receives the
// replies, with as little privilege as can be: a ping socket (a *net.UDPConn)
// where net.ipv4.ping_group_range allows it, otherwise a raw one (a
// *net.IPConn). Where neither may be opened, errors.Is finds os.ErrPermission.
func OpenICMP() (net.PacketConn, error) {
	f, err := Open(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP)
	if err != nil {
		// Not IPPROTO_RAW: such a socket can only send, see raw(7).
		f, err = Open(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP)
	}
	if err != nil {
		return nil, fmt.Errorf("neither a ping nor a raw socket: %w", err)
	}
	defer f.Close() // FilePacketConn has made a copy
	return net.FilePacketConn(f)
}
