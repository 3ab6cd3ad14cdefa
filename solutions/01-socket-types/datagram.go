package sockettypes

import (
	"errors"
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
		return Datagram{}, err
	}
	return Datagram{
		Payload:   buf[:n],
		From:      netip.AddrPortFrom(from.Addr().Unmap(), from.Port()),
		Truncated: flags&msgTrunc != 0,
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
	send := func() (err error) {
		if to.IsValid() {
			_, err = c.WriteToUDPAddrPort(payload, to)
		} else {
			_, err = c.Write(payload)
		}
		return err
	}
	err := send()
	if errors.Is(err, syscall.ECONNREFUSED) {
		err = send()
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
	for {
		d, err := ReadDatagram(c, buf)
		switch {
		case err == nil:
			deliver(d)
		case errors.Is(err, syscall.ECONNREFUSED):
		default:
			return err
		}
	}
}
