package rawdiag

import "errors"

// Mode is which kind of socket is wanted.
type Mode int

// The modes.
const (
	Auto     Mode = iota // a ping socket if there may be one, else a raw one
	PingOnly             // a ping socket: needs net.ipv4.ping_group_range, icmp(7)
	RawOnly              // a raw socket: needs CAP_NET_RAW, raw(7)
)

// Open opens a socket for ICMP, for a version of IP: ICMP or ICMPv6.
//
// Where the kernel allows none of what the mode names, the error is a
// *PrivilegeError. Errors of the kernel can be found in it with errors.Is.
func Open(p Protocol, m Mode) (*Socket, error) {
	return nil, errors.New("Open: not implemented yet (labs/05-raw-diagnostics/README.md#3-opening-the-socket)")
}
