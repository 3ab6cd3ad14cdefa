package sockettypes

import (
	"errors"
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// Probe finds out which special sockets this process may open, by opening one
// of each, and closes them again. Who the user is does not tell: a root in a
// container may lack the capability, and anybody else may have it, see
// capabilities(7).
func Probe() Access {
	may := func(family, typ, protocol int) error {
		f, err := Open(family, typ, protocol)
		if err != nil {
			return err
		}
		return f.Close()
	}
	var a Access
	for answer, ask := range map[*error]func() error{
		&a.Raw:        func() error { return may(unix.AF_INET, unix.SOCK_RAW, unix.IPPROTO_ICMP) },
		&a.Packet:     func() error { return may(unix.AF_PACKET, unix.SOCK_RAW, 0) },
		&a.Ping:       func() error { return may(unix.AF_INET, unix.SOCK_DGRAM, unix.IPPROTO_ICMP) },
		&a.Namespaces: namespaces,
	} {
		*answer = ask()
	}
	return a
}

// PeerCred returns who connected to this end of a Unix stream socket, or whom
// this end connected to. It is the kernel's word, taken when the connection was
// made, and the peer has no say in it; see SO_PEERCRED in unix(7).
func PeerCred(c *net.UnixConn) (Cred, error) {
	var cred Cred
	err := onSocket(c, func(fd int) error {
		u, err := unix.GetsockoptUcred(fd, unix.SOL_SOCKET, unix.SO_PEERCRED)
		if err == nil {
			cred = Cred{PID: int(u.Pid), UID: int(u.Uid), GID: int(u.Gid)}
		}
		return err
	})
	if err != nil {
		return Cred{}, fmt.Errorf("peer of a Unix socket: %w", err)
	}
	return cred, nil
}

// OpenICMP opens an IPv4 socket that sends echo requests and receives the
// replies, with as little privilege as can be: a ping socket (a *net.UDPConn)
// where net.ipv4.ping_group_range allows it, otherwise a raw one (a
// *net.IPConn). Where neither may be opened, errors.Is finds os.ErrPermission.
func OpenICMP() (net.PacketConn, error) {
	var refused []error
	for _, typ := range [...]int{unix.SOCK_DGRAM, unix.SOCK_RAW} {
		f, err := Open(unix.AF_INET, typ, unix.IPPROTO_ICMP)
		if err != nil {
			refused = append(refused, err)
			continue
		}
		c, err := net.FilePacketConn(f)
		return c, errors.Join(err, f.Close())
	}
	return nil, errors.Join(refused...)
}
