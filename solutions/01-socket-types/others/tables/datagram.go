package sockettypes

import (
	"errors"
	"fmt"
	"iter"
	"net"
	"net/netip"
	"syscall"
)

// ReadDatagram receives one datagram into buf. A datagram that is longer than
// buf is cut, and the result says so. One without a single byte is a datagram
// like any other, and no error.
func ReadDatagram(c *net.UDPConn, buf []byte) (Datagram, error) {
	n, _, flags, from, err := c.ReadMsgUDPAddrPort(buf, nil)
	if err != nil {
		return Datagram{}, fmt.Errorf("read datagram: %w", err)
	}
	return Datagram{
		Payload:   buf[:n],
		From:      netip.AddrPortFrom(from.Addr().Unmap(), from.Port()),
		Truncated: flags&msgTrunc == msgTrunc,
	}, nil
}

// SendDatagram sends payload, which may be empty, as one datagram: to the
// address to, or, when to is the zero AddrPort, to the peer that c is connected
// to. One that is too long for UDP is an error (EMSGSIZE), and none of it is
// sent.
//
// A connected socket learns when nobody received an earlier datagram, and its
// next call fails with ECONNREFUSED, whatever that call was about. Then payload
// was not sent, though nothing is wrong with it: SendDatagram sends it again,
// once. Any other error is the caller's, and nothing is sent again.
func SendDatagram(c *net.UDPConn, payload []byte, to netip.AddrPort) error {
	// WriteMsg is for both: with no address it goes to the peer.
	_, _, err := c.WriteMsgUDPAddrPort(payload, nil, to)
	if stale(err) {
		_, _, err = c.WriteMsgUDPAddrPort(payload, nil, to)
	}
	return err
}

// ReceiveAll receives datagrams into buf and gives each to deliver, which must
// not keep the payload: the next one comes into the same buffer. It goes on
// until c is closed, or reading fails for good, and returns that error, which
// is never nil.
//
// That an earlier datagram was refused (ECONNREFUSED, see SendDatagram) is not
// the end: who was not there then may be there later.
func ReceiveAll(c *net.UDPConn, buf []byte, deliver func(Datagram)) error {
	var end error
	for d := range arrivals(c, buf, &end) {
		deliver(d)
	}
	return end
}

// arrivals are the datagrams that come in until reading fails for good, which
// is then in *end.
func arrivals(c *net.UDPConn, buf []byte, end *error) iter.Seq[Datagram] {
	return func(yield func(Datagram) bool) {
		for {
			d, err := ReadDatagram(c, buf)
			switch {
			case stale(err):
			case err != nil:
				*end = err
				return
			case !yield(d):
				return
			}
		}
	}
}

// stale says that an error is about a datagram of the past.
func stale(err error) bool { return errors.Is(err, syscall.ECONNREFUSED) }
