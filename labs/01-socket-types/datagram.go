package sockettypes

import (
	"errors"
	"net"
	"net/netip"
)

// ReadDatagram receives one datagram into buf. A datagram that is longer than
// buf is cut, and the result says so. One without a single byte is a datagram
// like any other, and no error.
func ReadDatagram(c *net.UDPConn, buf []byte) (Datagram, error) {
	return Datagram{}, errors.New("ReadDatagram: not implemented yet (labs/01-socket-types/README.md#7-datagrams)")
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
	return errors.New("SendDatagram: not implemented yet (labs/01-socket-types/README.md#7-datagrams)")
}

// ReceiveAll receives datagrams into buf and gives each to deliver, which must
// not keep the payload: the next one comes into the same buffer. It goes on
// until c is closed, or reading fails for good, and returns that error, which
// is never nil.
//
// That an earlier datagram was refused (ECONNREFUSED, see SendDatagram) is not
// the end: who was not there then may be there later.
func ReceiveAll(c *net.UDPConn, buf []byte, deliver func(Datagram)) error {
	return errors.New("ReceiveAll: not implemented yet (labs/01-socket-types/README.md#7-datagrams)")
}
