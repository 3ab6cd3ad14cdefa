package sockettypes

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Info is what a kernel says about a socket.
type Info struct {
	Family    int    // address family, such as AF_INET; SO_DOMAIN of socket(7)
	Type      int    // SOCK_STREAM, SOCK_DGRAM, …; SO_TYPE
	Protocol  int    // IPPROTO_TCP, …; SO_PROTOCOL
	Listening bool   // it waits for connections; SO_ACCEPTCONN
	Local     string // its own address, "" if it has none; getsockname(2)
	Peer      string // the other end's address, "" if it is not connected; getpeername(2)
}

// String is one line for people.
func (i Info) String() string {
	line := fmt.Sprintf("%s %s %s",
		name(familyNames, i.Family), name(typeNames, i.Type), name(protocolNames(i.Family), i.Protocol))
	switch {
	case i.Listening:
		return line + ", listening on " + i.Local
	case i.Peer != "":
		return fmt.Sprintf("%s, from %s to %s", line, cmp.Or(i.Local, "no name"), i.Peer)
	case i.Local != "":
		return line + ", at " + i.Local
	default:
		return line
	}
}

// Names are the three numbers with their names, such as "AF_INET (2)".
func (i Info) Names() (family, typ, protocol string) {
	return name(familyNames, i.Family), name(typeNames, i.Type), name(protocolNames(i.Family), i.Protocol)
}

func name(names map[int]string, number int) string {
	if n := names[number]; n != "" {
		return fmt.Sprintf("%s (%d)", n, number)
	}
	return fmt.Sprint(number)
}

// Direction is one of the two ways through a socket.
type Direction int

// The directions.
const (
	Receive Direction = iota // what came in and was not read yet; SO_RCVBUF
	Send                     // what was written and is not acknowledged yet; SO_SNDBUF
)

// String is the name of the direction.
func (d Direction) String() string {
	if d == Receive {
		return "receive"
	}
	return "send"
}

// ListenOptions are what has to be decided about a listener before it has its
// port. The zero value is what Go decides by itself.
type ListenOptions struct {
	// ReusePort lets several listeners have the same port, if all of them
	// wish to; the kernel deals new connections out among them (SO_REUSEPORT
	// of socket(7)).
	ReusePort bool
	// V6Only keeps IPv4 away from a listener on an IPv6 address (IPV6_V6ONLY
	// of ipv6(7)). Without it, one on [::] takes both.
	V6Only bool
	// Backlog is how many connections may wait for Accept. The kernel lets in
	// one more than that (listen(2)). 0 is the system's own limit,
	// net.core.somaxconn.
	Backlog int
}

// Policy is how a TCP connection behaves.
type Policy struct {
	// NoDelay sends what is written at once, be it ever so small
	// (TCP_NODELAY). Without it, small pieces wait for each other (RFC 896).
	NoDelay bool
	// KeepAlive says whether, when and how often the kernel asks a silent
	// peer if it is still there.
	KeepAlive net.KeepAliveConfig
	// UserTimeout is how long written bytes may stay without an
	// acknowledgement before the connection is given up (TCP_USER_TIMEOUT of
	// tcp(7)). The kernel counts in whole milliseconds, and Tune rounds up to
	// them. 0 leaves it as it is.
	UserTimeout time.Duration
}

// TCPState is a state of a TCP connection, by the kernel's number; RFC 9293,
// 3.3.2, has the diagram.
type TCPState uint8

// The states, in the kernel's order.
const (
	Established TCPState = iota + 1
	SynSent
	SynReceived
	FinWait1
	FinWait2
	TimeWait
	Closed
	CloseWait
	LastAck
	Listening
	Closing
)

var stateNames = [...]string{"", "ESTABLISHED", "SYN-SENT", "SYN-RECEIVED", "FIN-WAIT-1", "FIN-WAIT-2",
	"TIME-WAIT", "CLOSED", "CLOSE-WAIT", "LAST-ACK", "LISTEN", "CLOSING"}

// String is the name that the RFC gives to the state.
func (s TCPState) String() string {
	if int(s) < len(stateNames) && s > 0 {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint8(s))
}

// Failure is a kind of error, by what can be done about it.
type Failure int

// The kinds of failure. The doc comment of Classify says when which.
const (
	NoFailure   Failure = iota // there is no error
	Unknown                    // none of the following
	Ended                      // the other side has said all it wanted to
	Refused                    // nobody listens there
	Reset                      // the other side threw the connection away
	Pipe                       // writing to a connection that is over
	TimedOut                   // nothing happened for too long
	Canceled                   // the caller did not want it any more
	UseOfClosed                // this side has closed the socket
	InUse                      // somebody else has the address
	TooBig                     // the datagram is larger than can be sent
	Unreachable                // there is no way to that address
	Denied                     // it needs a privilege
	NoFiles                    // too many files and sockets are open
	NotFound                   // there is no such name
	Temporary                  // the name service cannot say just now
)

var failureNames = [...]string{"no failure", "unknown", "ended", "refused", "reset", "pipe", "timed out", "canceled",
	"use of closed", "in use", "too big", "unreachable", "denied", "no files", "not found", "temporary"}

// String is the name of the kind.
func (f Failure) String() string {
	if f >= 0 && int(f) < len(failureNames) {
		return failureNames[f]
	}
	return fmt.Sprintf("failure %d", int(f))
}

// Datagram is one datagram as it was received.
type Datagram struct {
	Payload   []byte         // what of it fitted into the buffer; may be empty
	From      netip.AddrPort // who sent it; an IPv4 address is one, never ::ffff:…
	Truncated bool           // it was longer than the buffer, and the rest is lost
}

// Access says which special sockets this process may open, now and here: nil
// is yes, and an error says why not.
type Access struct {
	Raw        error // SOCK_RAW with IPPROTO_ICMP, see raw(7)
	Packet     error // AF_PACKET, whole frames of the link, see packet(7)
	Ping       error // SOCK_DGRAM with IPPROTO_ICMP, see icmp(7), ping_group_range
	Namespaces error // a user namespace of its own, where it is root, see user_namespaces(7)
}

// Cred is who is at the other end of a Unix socket, by the kernel's word.
type Cred struct {
	PID int // process
	UID int // user
	GID int // group
}

// Peer is somebody who answered Discover. Two peers with one name have two
// addresses, and two with one address two names.
type Peer struct {
	Name string
	Addr netip.AddrPort // where the answer came from
}

// What Discover asks, and how an answer begins.
const (
	question = "who is there?"
	answered = "here is "
)

// answer is what a peer called name says to the question.
func answer(name string) []byte { return []byte(answered + name) }

// nameIn is the name in an answer; ok is false if it is none.
func nameIn(payload []byte) (name string, ok bool) {
	name, ok = strings.CutPrefix(string(payload), answered)
	return name, ok && name != ""
}
