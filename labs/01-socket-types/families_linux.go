package sockettypes

import (
	"errors"
	"net"
)

// Probe finds out which special sockets this process may open, by opening one
// of each, and closes them again. Who the user is does not tell: a root in a
// container may lack the capability, and anybody else may have it, see
// capabilities(7).
func Probe() Access {
	err := errors.New("Probe: not implemented yet (labs/01-socket-types/README.md#8-other-families)")
	return Access{err, err, err, err}
}

// PeerCred returns who connected to this end of a Unix stream socket, or whom
// this end connected to. It is the kernel's word, taken when the connection was
// made, and the peer has no say in it; see SO_PEERCRED in unix(7).
func PeerCred(c *net.UnixConn) (Cred, error) {
	return Cred{}, errors.New("PeerCred: not implemented yet (labs/01-socket-types/README.md#8-other-families)")
}

// OpenICMP opens an IPv4 socket that sends echo requests and receives the
// replies, with as little privilege as can be: a ping socket (a *net.UDPConn)
// where net.ipv4.ping_group_range allows it, otherwise a raw one (a
// *net.IPConn). Where neither may be opened, errors.Is finds os.ErrPermission.
func OpenICMP() (net.PacketConn, error) {
	return nil, errors.New("OpenICMP: not implemented yet (labs/01-socket-types/README.md#8-other-families)")
}
