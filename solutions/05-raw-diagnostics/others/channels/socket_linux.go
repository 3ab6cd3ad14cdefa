package rawdiag

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A Socket is the kernel's Conn.
type Socket struct {
	protocol Protocol
	id       uint16
	conn     net.PacketConn
	raw      syscall.RawConn
	kind     string // "ping socket" or "raw socket"

	// For Receive, which one goroutine calls at a time.
	message [64 << 10]byte
	control [256]byte

	udpOnce sync.Once
	udp     *net.UDPConn
	udpErr  error
}

// newSocket makes a Socket of a descriptor, which belongs to it from now on,
// whatever happens. id is the identifier of its echo requests.
func newSocket(fd int, p Protocol, id uint16) (*Socket, error) {
	file := os.NewFile(uintptr(fd), "ICMP")
	defer file.Close() // FilePacketConn has a copy
	conn, err := net.FilePacketConn(file)
	if err != nil {
		return nil, err
	}
	kind := "ping socket"
	if _, raw := conn.(*net.IPConn); raw {
		kind = "raw socket"
	}
	raw, err := conn.(syscall.Conn).SyscallConn()
	if err != nil {
		conn.Close()
		return nil, err
	}
	return &Socket{protocol: p, id: id, conn: conn, raw: raw, kind: kind}, nil
}

// String is what kind of socket it is: "ping socket" or "raw socket".
func (s *Socket) String() string { return s.kind }

// ID is the identifier that this socket's echo requests carry on the wire.
func (s *Socket) ID() uint16 { return s.id }

// SetReadDeadline says until when Receive waits.
func (s *Socket) SetReadDeadline(t time.Time) error { return s.conn.SetReadDeadline(t) }

// Close closes the socket. Receive, if it waits, returns.
func (s *Socket) Close() error {
	s.udpOnce.Do(func() { s.udpErr = net.ErrClosed })
	if s.udp != nil {
		s.udp.Close()
	}
	return s.conn.Close()
}

// Send sends a probe. Its TTL goes with it as ancillary data, so that probes with
// different ones can leave at once: IP_TTL in ip(7), IPV6_HOPLIMIT in ipv6(7).
func (s *Socket) Send(p Probe) error {
	raw, port := s.raw, 0
	if p.Protocol == UDP {
		conn, err := s.udpConn()
		if err != nil {
			return err
		}
		if raw, err = conn.SyscallConn(); err != nil {
			return err
		}
		port = int(p.Port)
	}
	to := sockaddr(p.Dst, port)
	control := ttlMessage(p.Dst, p.TTL)
	var failed error
	if err := raw.Write(func(fd uintptr) bool {
		failed = unix.Sendmsg(int(fd), p.Payload, control, to, 0)
		return failed != unix.EAGAIN
	}); err != nil {
		return err
	}
	if failed != nil {
		return fmt.Errorf("send to %v: %w", p.Dst, os.NewSyscallError("sendmsg", failed))
	}
	return nil
}

// Receive returns the next ICMP message for this machine.
func (s *Socket) Receive() (Arrival, error) {
	var n, controlN int
	var from unix.Sockaddr
	var failed error
	if err := s.raw.Read(func(fd uintptr) bool {
		n, controlN, _, from, failed = unix.Recvmsg(int(fd), s.message[:], s.control[:], 0)
		return failed != unix.EAGAIN
	}); err != nil {
		return Arrival{}, err
	}
	if failed != nil {
		return Arrival{}, os.NewSyscallError("recvmsg", failed)
	}
	a := Arrival{Message: s.message[:n]}
	switch from := from.(type) {
	case *unix.SockaddrInet4:
		a.From = netip.AddrFrom4(from.Addr)
	case *unix.SockaddrInet6:
		a.From = netip.AddrFrom16(from.Addr)
	}
	a.ancillary(s.control[:controlN])
	if a.At.IsZero() {
		a.At = time.Now()
	}
	if s.kind == "raw socket" && s.protocol == ICMP && n >= 20 { // a raw IPv4 socket gives the IP header as well: raw(7)
		a.Message = a.Message[min(n, int(a.Message[0]&15)*4):]
	}
	return a, nil
}

// ancillary reads what the kernel said about a message: the options of Open.
func (a *Arrival) ancillary(b []byte) {
	for len(b) > 0 {
		h, data, rest, err := unix.ParseOneSocketControlMessage(b)
		if err != nil {
			return
		}
		b = rest
		switch {
		case h.Level == unix.SOL_SOCKET && h.Type == unix.SO_TIMESTAMPNS && len(data) >= 16:
			a.At = time.Unix(int64(native64(data)), int64(native64(data[8:])))
		case len(data) < 4:
		case h.Level == unix.IPPROTO_IP && h.Type == unix.IP_TTL,
			h.Level == unix.IPPROTO_IPV6 && h.Type == unix.IPV6_HOPLIMIT:
			a.TTL = int(native32(data))
		}
	}
}

// udpConn is the socket that UDP probes leave from: one for all, so that they have
// one source port.
func (s *Socket) udpConn() (*net.UDPConn, error) {
	s.udpOnce.Do(func() {
		network := "udp4"
		if s.protocol == ICMPv6 {
			network = "udp6"
		}
		s.udp, s.udpErr = net.ListenUDP(network, nil)
	})
	return s.udp, s.udpErr
}

// Source is the address and port that a UDP probe to dst comes from.
func (s *Socket) Source(dst netip.Addr) (netip.AddrPort, error) {
	conn, err := s.udpConn()
	if err != nil {
		return netip.AddrPort{}, err
	}
	// To connect a UDP socket sends nothing: the kernel only chooses the way.
	way, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(dst, 9)))
	if err != nil {
		return netip.AddrPort{}, err
	}
	defer way.Close()
	addr := way.LocalAddr().(*net.UDPAddr).AddrPort().Addr().Unmap().WithZone("")
	return netip.AddrPortFrom(addr, uint16(conn.LocalAddr().(*net.UDPAddr).Port)), nil
}

func sockaddr(a netip.Addr, port int) unix.Sockaddr {
	if a = a.Unmap(); a.Is4() {
		return &unix.SockaddrInet4{Addr: a.As4(), Port: port}
	}
	to := &unix.SockaddrInet6{Addr: a.As16(), Port: port}
	if i, err := net.InterfaceByName(a.Zone()); err == nil {
		to.ZoneId = uint32(i.Index)
	}
	return to
}

// ttlMessage is the ancillary data that sets the TTL of one packet, nil for 0.
func ttlMessage(dst netip.Addr, ttl int) []byte {
	if ttl == 0 {
		return nil
	}
	level, typ := int32(unix.IPPROTO_IP), int32(unix.IP_TTL)
	if !dst.Unmap().Is4() {
		level, typ = unix.IPPROTO_IPV6, unix.IPV6_HOPLIMIT
	}
	return controlMessage(level, typ, uint32(ttl))
}
