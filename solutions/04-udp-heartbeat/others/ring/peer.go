package udpheartbeat

import (
	"net/netip"
	"time"
)

// A Peer is what a Monitor knows of a sender.
type Peer struct {
	Name        Name
	Addr        netip.AddrPort // where its beats come from
	Incarnation uint32
	State       State
	Since       time.Time     // when it became what it is
	LastBeat    time.Time     // when its last Fresh datagram came
	RTT         time.Duration // as it measures it; 0 when it does not know
	Stats       Stats         // of the present incarnation
}

// An Event is a change that a Monitor has seen: of a sender's state, or from one
// incarnation to the next, when From and To may be the same.
type Event struct {
	Time        time.Time
	Name        Name
	Addr        netip.AddrPort
	Incarnation uint32
	From, To    State
}

// Counters count the datagrams that came to a Monitor: each of them once.
type Counters struct {
	Accepted    uint64 // Fresh and Late beats and goodbyes, of peers that are known
	Foreign     uint64 // ErrForeign, ErrVersion, ErrLength: not of this protocol
	Forged      uint64 // ErrMAC
	Malformed   uint64 // ErrType, ErrName, and types that no monitor is sent
	Replayed    uint64 // Duplicate, Stale, or of an incarnation that is over
	WrongSource uint64 // from elsewhere than the other datagrams of the incarnation
	Refused     uint64 // of new names, when there were MaxPeers
}

// Total is how many came.
func (c Counters) Total() uint64 {
	return c.Accepted + c.Foreign + c.Forged + c.Malformed + c.Replayed + c.WrongSource + c.Refused
}
