package udpheartbeat

import (
	"context"
	"errors"
	"net/netip"
	"syscall"
	"time"
)

// A Conn is what the monitor needs of a UDP socket; *net.UDPConn is one. Its
// methods with netip.AddrPort take no memory, those with net.Addr take some for
// each datagram.
type Conn interface {
	ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error)
	WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error)
	SetReadDeadline(t time.Time) error
}

// An Arrival is a datagram that has come.
type Arrival struct {
	From   netip.AddrPort // IPv4 addresses as such, never as ::ffff:a.b.c.d
	Packet Packet
	Err    error // of Codec.Decode; then there is no Packet
}

// Receive reads datagrams from conn and gives each of them to handle, the bad
// ones too, until ctx ends; then it returns ctx's error, at once, and leaves
// conn open. It takes no memory for a datagram. It need not restore the read
// deadline: whoever reads on afterwards sets one.
//
// An error of reading that speaks of one datagram (ECONNREFUSED and ECONNRESET,
// about an earlier one of ours; EMSGSIZE, about one that was too long) is passed
// over. Any other ends Receive, which returns it.
//
// A datagram may be empty, and may be longer than any packet: what does not fit
// into the buffer is cut off without a word, and the rest must not pass for a packet.
// So the buffer is larger than the largest right datagram, MaxPacket.
func Receive(ctx context.Context, conn Conn, codec *Codec, handle func(Arrival)) error {
	woken := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		conn.SetReadDeadline(time.Unix(1, 0))
		close(woken)
	})
	defer func() {
		if !stop() {
			<-woken
			conn.SetReadDeadline(time.Time{})
		}
	}()
	buf := make([]byte, headSize+255+macSize+1) // longer than any length that a datagram can claim
	for {
		n, from, err := conn.ReadFromUDPAddrPort(buf)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err == nil:
			p, bad := codec.Decode(buf[:n])
			handle(Arrival{From: netip.AddrPortFrom(from.Addr().Unmap(), from.Port()), Packet: p, Err: bad})
		case !aboutOneDatagram(err):
			return err
		}
	}
}

// aboutOneDatagram tells whether err says nothing about the next datagram.
func aboutOneDatagram(err error) bool {
	for _, one := range []error{syscall.ECONNREFUSED, syscall.ECONNRESET, syscall.EMSGSIZE} {
		if errors.Is(err, one) {
			return true
		}
	}
	return false
}
