package rawdiag_test

import (
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"time"

	rawdiag "workbook.example/labs/05-raw-diagnostics"
	"workbook.example/tools/netlab"
)

// A memory is a Conn without a kernel: what is sent goes to a script, and what that
// says comes in after its time. It plays under fake time, on every platform.
type memory struct {
	here   netip.Addr
	id     uint16
	port   uint16
	script func(netlab.Packet) []netlab.Reply

	mu       sync.Mutex
	changed  chan struct{} // closed when something below has changed
	arrivals []rawdiag.Arrival
	deadline time.Time
	closed   bool
	sent     []netlab.Packet
	failed   error         // what Send returns, if it is set
	lain     time.Duration // how long what arrives has been in the kernel
}

// remember makes a memory at the address here that talks to a script.
func remember(here string, script func(netlab.Packet) []netlab.Reply) *memory {
	return &memory{here: netip.MustParseAddr(here), id: 0xbeef, port: 40000, script: script, changed: make(chan struct{})}
}

func (m *memory) ID() uint16 { return m.id }

func (m *memory) Source(netip.Addr) (netip.AddrPort, error) {
	return netip.AddrPortFrom(m.here, m.port), nil
}

// change calls f and wakes who waits.
func (m *memory) change(f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
	close(m.changed)
	m.changed = make(chan struct{})
}

func (m *memory) Send(p rawdiag.Probe) error {
	m.mu.Lock()
	closed, failed := m.closed, m.failed
	m.mu.Unlock()
	if closed {
		return net.ErrClosed
	}
	if failed != nil {
		return failed
	}
	ttl := p.TTL
	if ttl == 0 {
		ttl = 64
	}
	payload := append([]byte(nil), p.Payload...)
	switch p.Protocol {
	case rawdiag.UDP:
		payload = udp(m.here, p.Dst, m.port, p.Port, payload)
	case rawdiag.ICMPv6: // as the kernel does
		netlab.SetChecksum(m.here, p.Dst, payload)
	}
	packet, err := netlab.ParsePacket(netlab.Build(m.here, p.Dst, int(p.Protocol), ttl, payload))
	if err != nil {
		return fmt.Errorf("a probe that is no packet: %w", err)
	}
	m.mu.Lock()
	m.sent = append(m.sent, packet)
	m.mu.Unlock()
	for _, r := range m.script(packet) {
		if r.After == 0 {
			m.arrive(r.Raw)
			continue
		}
		time.AfterFunc(r.After, func() { m.arrive(r.Raw) })
	}
	return nil
}

// arrive lets a packet come in, if it is ICMP for here.
func (m *memory) arrive(raw []byte) {
	packet, err := netlab.ParsePacket(raw)
	if err != nil || packet.Dst != m.here || packet.Protocol != netlab.ICMP && packet.Protocol != netlab.ICMPv6 {
		return
	}
	a := rawdiag.Arrival{From: packet.Src, TTL: packet.TTL, At: time.Now().Add(-m.lain).Round(0), Message: append([]byte(nil), packet.Payload...)}
	m.change(func() { m.arrivals = append(m.arrivals, a) })
}

func (m *memory) Receive() (rawdiag.Arrival, error) {
	for {
		m.mu.Lock()
		changed, deadline := m.changed, m.deadline
		switch {
		case m.closed:
			m.mu.Unlock()
			return rawdiag.Arrival{}, net.ErrClosed
		case !deadline.IsZero() && !time.Now().Before(deadline):
			m.mu.Unlock()
			return rawdiag.Arrival{}, os.ErrDeadlineExceeded
		case len(m.arrivals) > 0:
			a := m.arrivals[0]
			m.arrivals = m.arrivals[1:]
			m.mu.Unlock()
			return a, nil
		}
		m.mu.Unlock()
		var late <-chan time.Time
		if !deadline.IsZero() {
			late = time.After(time.Until(deadline))
		}
		select {
		case <-changed:
		case <-late:
		}
	}
}

func (m *memory) SetReadDeadline(t time.Time) error {
	m.change(func() { m.deadline = t })
	return nil
}

func (m *memory) Close() error {
	m.change(func() { m.closed = true })
	return nil
}

// probes are the packets that were sent.
func (m *memory) probes() []netlab.Packet {
	m.mu.Lock()
	defer m.mu.Unlock()
	return append([]netlab.Packet(nil), m.sent...)
}

// udp is a UDP datagram between two hosts, with its checksum.
func udp(src, dst netip.Addr, from, to uint16, data []byte) []byte {
	n := 8 + len(data)
	b := append([]byte{byte(from >> 8), byte(from), byte(to >> 8), byte(to), byte(n >> 8), byte(n), 0, 0}, data...)
	sum := plainSum(append(pseudo(src, dst, 17, n), b...))
	b[6], b[7] = byte(sum>>8), byte(sum)
	return b
}

// pseudo is the pseudo header of a segment.
func pseudo(src, dst netip.Addr, protocol byte, n int) []byte {
	b := append(src.AsSlice(), dst.AsSlice()...)
	if src.Is4() {
		return append(b, 0, protocol, byte(n>>8), byte(n))
	}
	return append(b, byte(n>>24), byte(n>>16), byte(n>>8), byte(n), 0, 0, 0, protocol)
}

// plainSum is the Internet checksum, word by word as in RFC 1071, section 4.1.
func plainSum(b []byte) uint16 {
	var sum uint32
	for i := 0; i < len(b); i += 2 {
		word := uint32(b[i]) << 8
		if i+1 < len(b) {
			word |= uint32(b[i+1])
		}
		if sum += word; sum > 0xffff {
			sum = sum&0xffff + 1
		}
	}
	return ^uint16(sum)
}
