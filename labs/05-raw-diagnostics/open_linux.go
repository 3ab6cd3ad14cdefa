package rawdiag

import (
	"errors"
)

// Mode is which kind of socket is wanted.
type Mode int

// The modes.
const (
	Auto     Mode = iota // a ping socket if there may be one, else a raw one
	PingOnly             // a ping socket: needs net.ipv4.ping_group_range, icmp(7)
	RawOnly              // a raw socket: needs CAP_NET_RAW, raw(7)
)

// Open opens a socket for the messages of ICMP or ICMPv6.
//
// Its ID is the one that echo requests really carry: a ping socket has that of
// its local port, whatever a message says; a raw one has a random one. Its arrivals
// have the time at which the kernel received them (SO_TIMESTAMPNS, socket(7)) and
// the TTL that they came with (IP_RECVTTL, ip(7), IPV6_RECVHOPLIMIT, ipv6(7)). A
// raw socket receives replies and errors, and not the requests that others, or
// this program, send to this machine (ICMP_FILTER, raw(7), and RFC 3542,
// section 3.2).
//
// Where the kernel allows none of the sockets that the mode names, the error is a
// *[PrivilegeError]. When Open fails, nothing stays open.
func Open(p Protocol, m Mode) (*Socket, error) {
	return nil, errors.New("Open: not implemented yet (labs/05-raw-diagnostics/README.md#3-opening-the-socket)")
}
