package rawdiag

import (
	"errors"
	"net/netip"
	"time"
)

// Protocol is what an IP packet carries, in the numbers of IANA's registry
// "Assigned Internet Protocol Numbers".
type Protocol uint8

// The protocols that this package knows.
const (
	ICMP   Protocol = 1
	TCP    Protocol = 6
	UDP    Protocol = 17
	ICMPv6 Protocol = 58
)

// ICMPFor is the protocol that diagnoses the network of an address: ICMP for
// IPv4, ICMPv6 for IPv6.
func ICMPFor(a netip.Addr) Protocol {
	if a.Is4() || a.Is4In6() {
		return ICMP
	}
	return ICMPv6
}

// A Probe is a packet that is sent to find something out.
type Probe struct {
	Dst      netip.Addr
	TTL      int      // time to live or hop limit; 0 is the kernel's own choice
	Protocol Protocol // ICMP or ICMPv6 as Dst needs it, or UDP
	Port     uint16   // UDP only: the destination port
	Payload  []byte   // UDP: the data. ICMP: the message, from its type on
}

// An Arrival is an ICMP message that came in.
type Arrival struct {
	From    netip.Addr // who sent it
	TTL     int        // the time to live that it arrived with; 0 if unknown
	At      time.Time  // when the kernel received it, as exactly as is known
	Message []byte     // from the ICMP type on; valid until the next Receive
}

// A Conn is where probes go out and ICMP messages come in. A [Socket] is one;
// the tests have others, in memory. One goroutine may send while another one
// receives.
type Conn interface {
	// ID is the identifier that this conn's echo requests carry on the wire. A
	// ping socket has its own, whatever a message says: see icmp(7).
	ID() uint16

	// Source is the address and port that a UDP probe to dst comes from. It is
	// the same for all probes to dst.
	Source(dst netip.Addr) (netip.AddrPort, error)

	// Send sends a probe.
	Send(Probe) error

	// Receive returns the next ICMP message for this machine, whoever asked for
	// it. It fails with an error in which errors.Is finds os.ErrDeadlineExceeded
	// when the deadline has passed, and net.ErrClosed when the conn is closed.
	Receive() (Arrival, error)

	// SetReadDeadline says until when Receive waits, also one that waits
	// already. The zero time is for ever.
	SetReadDeadline(time.Time) error

	Close() error
}

// Why bytes are not what they should be. Errors of this package that are about
// bytes are one of these, or wrap one.
var (
	ErrShort     = errors.New("shorter than it must be")
	ErrChecksum  = errors.New("wrong checksum")
	ErrMalformed = errors.New("lengths that cannot be")
)
