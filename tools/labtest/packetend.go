package labtest

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// PacketEnd is an end of a PacketNet. It does what a *net.UDPConn does: as a
// net.PacketConn, with the methods that take and give a netip.AddrPort, and as
// a net.Conn when it was made by Dial.
type PacketEnd struct {
	net    *PacketNet
	name   string
	local  netip.AddrPort
	remote netip.AddrPort // of a connected end

	// Guarded by net.mu.
	queue       []arrival
	refused     bool // a connected end's datagram arrived where nobody listens
	closed      bool
	readBefore  time.Time     // the deadlines
	writeBefore time.Time     //
	changed     chan struct{} // closed, and replaced, when any of this changes
}

type arrival struct {
	from  netip.AddrPort
	bytes []byte
}

var (
	_ net.PacketConn = (*PacketEnd)(nil)
	_ net.Conn       = (*PacketEnd)(nil)
)

const (
	listenPorts = 7000  // the first port that Listen gives a participant
	dialPorts   = 40000 // the first port that Dial gives it
)

// Addr is where the first end that a participant listens on is, or will be.
func (n *PacketNet) Addr(name string) netip.AddrPort {
	n.mu.Lock()
	defer n.mu.Unlock()
	return netip.AddrPortFrom(addressOf(n.host(name)), listenPorts)
}

// Listen makes an end for a participant, with the lowest of its addresses that
// is free. The participant has one address for each end that is open.
func (n *PacketNet) Listen(name string) *PacketEnd {
	return n.open(name, listenPorts, netip.AddrPort{})
}

// Dial makes an end that is connected to an address, as a UDP socket can be:
// it has Read and Write, hears nobody else, and, like one on Linux, learns from
// its next Read or Write that nobody listened (ECONNREFUSED), once for each
// time that this was found out.
func (n *PacketNet) Dial(name string, to netip.AddrPort) *PacketEnd {
	return n.open(name, dialPorts, to)
}

func (n *PacketNet) open(name string, port uint16, remote netip.AddrPort) *PacketEnd {
	n.mu.Lock()
	defer n.mu.Unlock()
	local := netip.AddrPortFrom(addressOf(n.host(name)), port)
	for n.ends[local] != nil {
		local = netip.AddrPortFrom(local.Addr(), local.Port()+1)
	}
	e := &PacketEnd{net: n, name: name, local: local, remote: remote, changed: make(chan struct{})}
	n.ends[local] = e
	return e
}

// AddrPort is the end's own address.
func (e *PacketEnd) AddrPort() netip.AddrPort { return e.local }

// LocalAddr is the end's own address, a *net.UDPAddr.
func (e *PacketEnd) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(e.local) }

// RemoteAddr is the address that the end is connected to; nil if it is not.
func (e *PacketEnd) RemoteAddr() net.Addr {
	if !e.remote.IsValid() {
		return nil
	}
	return net.UDPAddrFromAddrPort(e.remote)
}

// Read is the next datagram, of which it keeps what fits into b.
func (e *PacketEnd) Read(b []byte) (int, error) {
	n, _, err := e.ReadFromUDPAddrPort(b)
	return n, err
}

// ReadFrom is Read, and says who sent it: a *net.UDPAddr.
func (e *PacketEnd) ReadFrom(b []byte) (int, net.Addr, error) {
	n, from, err := e.ReadFromUDPAddrPort(b)
	if err != nil {
		return n, nil, err
	}
	return n, net.UDPAddrFromAddrPort(from), nil
}

// ReadFromUDPAddrPort is Read, and says who sent it.
func (e *PacketEnd) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	for {
		e.net.mu.Lock()
		err := e.obstacle(e.readBefore)
		if err == nil && len(e.queue) > 0 {
			a := e.queue[0]
			e.queue = e.queue[1:]
			e.net.mu.Unlock()
			return copy(b, a.bytes), a.from, nil
		}
		changed, before := e.changed, e.readBefore
		e.net.mu.Unlock()
		if err != nil {
			return 0, netip.AddrPort{}, e.failed("read", err)
		}
		var late <-chan time.Time
		if !before.IsZero() {
			timer := time.NewTimer(time.Until(before))
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-changed:
		case <-late:
		}
	}
}

// Write sends a datagram to where the end is connected.
func (e *PacketEnd) Write(b []byte) (int, error) {
	if !e.remote.IsValid() {
		return 0, e.failed("write", os.NewSyscallError("write", syscall.EDESTADDRREQ))
	}
	return e.send(b, e.remote)
}

// WriteTo sends a datagram to an address, a *net.UDPAddr.
func (e *PacketEnd) WriteTo(b []byte, to net.Addr) (int, error) {
	udp, ok := to.(*net.UDPAddr)
	if !ok {
		return 0, e.failed("write", &net.AddrError{Err: "not a UDP address", Addr: fmt.Sprint(to)})
	}
	return e.WriteToUDPAddrPort(b, udp.AddrPort())
}

// WriteToUDPAddrPort sends a datagram to an address.
func (e *PacketEnd) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	if e.remote.IsValid() {
		return 0, e.failed("write", net.ErrWriteToConnected)
	}
	return e.send(b, to)
}

// maxDatagram is the most that an IPv4 datagram of UDP holds.
const maxDatagram = 65_535 - 20 - 8

func (e *PacketEnd) send(b []byte, to netip.AddrPort) (int, error) {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	if err := e.obstacle(e.writeBefore); err != nil {
		return 0, e.failed("write", err)
	}
	if len(b) > maxDatagram {
		return 0, e.failed("write", os.NewSyscallError("write", syscall.EMSGSIZE))
	}
	e.net.carry(e, netip.AddrPortFrom(to.Addr().Unmap(), to.Port()), b)
	return len(b), nil
}

// obstacle is what stands in the way of a call with the given deadline. The
// caller holds net.mu.
func (e *PacketEnd) obstacle(before time.Time) error {
	switch {
	case e.closed:
		return net.ErrClosed
	case !before.IsZero() && !time.Now().Before(before):
		return os.ErrDeadlineExceeded
	case e.refused:
		e.refused = false
		return syscall.ECONNREFUSED
	}
	return nil
}

// failed is an error as package net gives it.
func (e *PacketEnd) failed(op string, err error) error {
	if err == syscall.ECONNREFUSED {
		err = os.NewSyscallError(op, err)
	}
	return &net.OpError{Op: op, Net: "udp", Source: e.LocalAddr(), Addr: e.RemoteAddr(), Err: err}
}

// Close closes the end. Who waits in a call of it gets net.ErrClosed.
func (e *PacketEnd) Close() error {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	if e.closed {
		return e.failed("close", net.ErrClosed)
	}
	e.shut()
	return nil
}

// shut closes the end for a caller that holds net.mu.
func (e *PacketEnd) shut() {
	e.closed = true
	delete(e.net.ends, e.local)
	e.change()
}

// SetDeadline is SetReadDeadline and SetWriteDeadline.
func (e *PacketEnd) SetDeadline(t time.Time) error {
	return e.set(func() { e.readBefore, e.writeBefore = t, t })
}

// SetReadDeadline is the time at which reading fails with
// os.ErrDeadlineExceeded, also of who waits already. Zero is never.
func (e *PacketEnd) SetReadDeadline(t time.Time) error {
	return e.set(func() { e.readBefore = t })
}

// SetWriteDeadline is the same for writing, which never waits.
func (e *PacketEnd) SetWriteDeadline(t time.Time) error {
	return e.set(func() { e.writeBefore = t })
}

func (e *PacketEnd) set(deadlines func()) error {
	e.net.mu.Lock()
	defer e.net.mu.Unlock()
	if e.closed {
		return e.failed("set", net.ErrClosed)
	}
	deadlines()
	e.change()
	return nil
}

// change wakes who waits. The caller holds net.mu.
func (e *PacketEnd) change() {
	close(e.changed)
	e.changed = make(chan struct{})
}
