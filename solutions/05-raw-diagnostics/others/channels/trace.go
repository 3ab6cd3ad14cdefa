package rawdiag

import (
	"context"
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"
)

// Method is what traceroute sends.
type Method int

// The methods.
const (
	UDPProbes  Method = iota // datagrams to a port that nobody listens on
	EchoProbes               // echo requests
)

// TraceOptions say how to trace.
type TraceOptions struct {
	Method   Method
	MaxHops  int           // 0 is 30
	Queries  int           // probes a hop; 0 is 3
	Timeout  time.Duration // how long an answer may take; 0 is a second
	Parallel int           // probes that may be on their way at once; 0 is 16
}

// A Hop is one router on the way, or the end of it.
type Hop struct {
	TTL     int
	Answers []Answer // one a probe, in the order in which they were sent
}

// An Answer is what became of a probe.
type Answer struct {
	From   netip.Addr // the zero Addr: nobody answered in time
	RTT    time.Duration
	Kind   Kind    // what was said: TimeExceeded, Unreachable, EchoReply
	Code   uint8   // of Unreachable
	Labels []Label // that the packet carried there
}

// Mark is what traceroute prints behind an answer: "!N" for an unreachable
// network, "!H" for a host, "!P" for a protocol, "!X" for a prohibition, "!" and
// the code for what is rare, and "" for what is no refusal: the port of the probe is
// unreachable at the end of the way. See traceroute(8); the codes are those of RFC
// 792 and 1812, section 5.2.7.1, and of RFC 4443, section 3.1.
func (a Answer) Mark() string {
	type said struct {
		six  bool
		code uint8
	}
	if a.Kind != Unreachable {
		return ""
	}
	switch (said{a.From.Is6(), a.Code}) {
	case said{false, 0}, said{true, 0}:
		return "!N"
	case said{false, 1}, said{true, 3}:
		return "!H"
	case said{false, 2}:
		return "!P"
	case said{false, 9}, said{false, 10}, said{false, 13}, said{true, 1}:
		return "!X"
	case said{false, 3}, said{true, 4}:
		return ""
	}
	return fmt.Sprint("!", a.Code)
}

// Trace finds the way to dst.
func Trace(ctx context.Context, conn Conn, dst netip.Addr, o TraceOptions) ([]Hop, error) {
	dst = dst.Unmap()
	o = TraceOptions{Method: o.Method, MaxHops: or(o.MaxHops, 30), Queries: or(o.Queries, 3), Timeout: or(o.Timeout, time.Second), Parallel: or(o.Parallel, 16)}
	if o.MaxHops > 255 || o.MaxHops*o.Queries > 1400 {
		return nil, fmt.Errorf("%d hops with %d probes each are too many", o.MaxHops, o.Queries)
	}
	icmp := ICMPFor(dst)
	var from netip.AddrPort
	if o.Method == UDPProbes {
		var err error
		if from, err = conn.Source(dst); err != nil {
			return nil, err
		}
	}
	in := receive(conn)
	defer in.stop()

	// Probe i is to be told by its length, or its number.
	left := make([]time.Time, 0, o.MaxHops*o.Queries)
	answers := make([]Answer, o.MaxHops*o.Queries)
	over := make([]bool, o.MaxHops*o.Queries)
	end := o.MaxHops
	hops := func() (all []Hop) {
		for i := 0; i < len(left) && i/o.Queries < end; i++ {
			if i%o.Queries == 0 {
				all = append(all, Hop{TTL: i/o.Queries + 1})
			}
			all[len(all)-1].Answers = append(all[len(all)-1].Answers, answers[i])
		}
		return all
	}
	for {
		flying, first := 0, -1
		for i := range left {
			if !over[i] && i/o.Queries < end {
				if flying++; first < 0 {
					first = i
				}
			}
		}
		if i := len(left); i < end*o.Queries && flying < o.Parallel {
			p := Probe{Dst: dst, TTL: i/o.Queries + 1, Protocol: UDP, Port: 33434, Payload: make([]byte, i)}
			if o.Method == EchoProbes {
				p.Protocol, p.Port = icmp, 0
				p.Payload = AppendEcho(nil, icmp, conn.ID(), uint16(i), []byte{^byte(i >> 8), ^byte(i)})
			}
			if err := conn.Send(p); err != nil {
				return nil, err
			}
			left = append(left, time.Now())
			continue
		}
		if flying == 0 {
			return hops(), nil
		}
		wake := time.NewTimer(time.Until(left[first].Add(o.Timeout)))
		select {
		case <-ctx.Done():
			wake.Stop()
			return hops(), nil
		case err := <-in.failed:
			wake.Stop()
			return nil, err
		case <-wake.C:
			over[first] = true
		case a := <-in.came:
			wake.Stop()
			m, err := ParseMessage(icmp, a.Message)
			if err != nil {
				continue
			}
			i := about(m, o.Method, icmp, conn.ID(), from, dst)
			if i < 0 || i >= len(left) || over[i] {
				continue
			}
			over[i] = true
			answers[i] = Answer{From: a.From, RTT: max(0, a.At.Sub(left[i])), Kind: m.Kind, Code: m.Code, Labels: m.Labels}
			if m.Kind != TimeExceeded {
				end = min(end, i/o.Queries+1)
			}
		}
	}
}

// about is the probe that a message is about, and -1 if there is none.
func about(m Message, method Method, icmp Protocol, id uint16, from netip.AddrPort, dst netip.Addr) int {
	half := binary.BigEndian.Uint16
	if m.Kind == EchoReply && method == EchoProbes && m.ID == id && len(m.Data) == 2 && half(m.Data) == ^m.Seq {
		return int(m.Seq)
	}
	if m.Kind != TimeExceeded && m.Kind != Unreachable || m.Quote.Dst != dst {
		return -1
	}
	b := m.Quote.Payload
	if method == EchoProbes {
		if echo := AppendEcho(nil, icmp, 0, 0, nil); m.Quote.Protocol == icmp && b[0] == echo[0] && half(b[4:]) == id {
			return int(half(b[6:]))
		}
		return -1
	}
	if m.Quote.Protocol != UDP || m.Quote.Src != from.Addr() || half(b) != from.Port() || half(b[2:]) != 33434 {
		return -1
	}
	return int(half(b[4:])) - 8
}

// or is a value, or what stands for none.
func or[T comparable](v, standard T) T {
	var zero T
	if v == zero {
		return standard
	}
	return v
}
