package udpheartbeat

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Defaults of a Monitor.
const (
	DefaultTick        = 20 * time.Millisecond
	DefaultMaxPeers    = 10_000
	DefaultForgetAfter = time.Minute
)

// A Monitor listens to senders and says who is there. Its fields are set before
// Run is called and not changed afterwards.
type Monitor struct {
	Key []byte // what the senders have, too

	// NewDetector makes the detector for a sender that is heard for the first
	// time, or for the first time in an incarnation; nil makes a Timeout for
	// DefaultInterval on a network that loses a fifth.
	NewDetector func(now time.Time) Detector

	// Tick is how often each peer is judged; 0 is DefaultTick.
	Tick time.Duration

	// MaxPeers is how many peers are known at most; 0 is DefaultMaxPeers. Names
	// beyond that are refused: whoever is known stays known.
	MaxPeers int

	// ForgetAfter is when a peer that is Dead or Left is forgotten, and makes
	// room; 0 is DefaultForgetAfter. Who has been forgotten is new when it comes
	// again, also when it is only somebody who sends what he recorded.
	ForgetAfter time.Duration

	// OnEvent is told of every change, each once, one after the other, a Tick
	// later at most. It may be slow: beats are received and answered meanwhile,
	// but nobody is judged. nil is nobody.
	OnEvent func(Event)

	mu       sync.Mutex // guards what follows
	peers    map[Name]*watched
	counters Counters
	events   []Event // that OnEvent has not been told of
}

// A watched is a peer, and how it is judged.
type watched struct {
	peer     Peer
	window   Window
	detector Detector
}

// Run receives, answers and judges until ctx ends, and returns ctx's error, or
// the error that ended receiving. It leaves conn open. OnEvent has been told of
// everything when Run returns.
func (m *Monitor) Run(ctx context.Context, conn Conn) error {
	ended := make(chan error, 1)
	go func() {
		codec, answer := NewCodec(m.Key), NewCodec(m.Key)
		buf := make([]byte, 0, MaxPacket)
		ended <- Receive(ctx, conn, codec, func(a Arrival) {
			if ack, ok := m.arrive(a, time.Now()); ok {
				if datagram, err := answer.Append(buf, ack); err == nil {
					conn.WriteToUDPAddrPort(datagram, a.From) // what is lost is lost
				}
			}
		})
	}()
	ticker := time.NewTicker(m.tick())
	defer ticker.Stop()
	for {
		select {
		case err := <-ended:
			m.tell()
			return err
		case <-ticker.C:
			m.judge(time.Now())
			m.tell()
		}
	}
}

// arrive takes a datagram that has come, and counts it. A Fresh Beat is to be
// answered with ack.
//
// The sender of a name is where its incarnation was first heard from: datagrams
// of the same incarnation from elsewhere, and those of earlier incarnations, do
// nothing. A greater incarnation is a new start: with a new Window, a new
// Detector, and from wherever it comes.
//
// Only what is Fresh is a sign of life, or a goodbye. Whatever is older may have
// been recorded by somebody and sent again.
//
// A Bye ends its incarnation: nobody sends anything after it, so whoever has Left
// stays so whatever else comes of that incarnation, and is Alive again in a
// greater one.
func (m *Monitor) arrive(a Arrival, now time.Time) (ack Packet, answer bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if refused := m.refusal(a); refused != nil {
		*refused++
		return Packet{}, false
	}
	w := m.peers[a.Packet.Name]
	if w == nil || a.Packet.Incarnation > w.peer.Incarnation {
		w = m.admit(w, a, now)
	}
	verdict := w.window.Accept(a.Packet.Seq)
	w.peer.Stats = w.window.Stats()
	switch verdict {
	case Duplicate, Stale:
		m.counters.Replayed++
		return Packet{}, false
	case Late:
		m.counters.Accepted++
		return Packet{}, false
	}
	m.counters.Accepted++
	w.peer.LastBeat, w.peer.RTT = now, a.Packet.RTT
	if a.Packet.Type == Bye {
		m.change(w, Left, now)
		return Packet{}, false
	}
	w.detector.Heartbeat(now)
	return Packet{Type: Ack, Name: a.Packet.Name, Incarnation: a.Packet.Incarnation, Seq: a.Packet.Seq}, true
}

// refusal is the counter of the reason for which a datagram does nothing, nil if
// there is none. The caller holds m.mu.
func (m *Monitor) refusal(a Arrival) *uint64 {
	c := &m.counters
	switch {
	case errors.Is(a.Err, ErrForeign), errors.Is(a.Err, ErrVersion), errors.Is(a.Err, ErrLength):
		return &c.Foreign
	case errors.Is(a.Err, ErrMAC):
		return &c.Forged
	case a.Err != nil, a.Packet.Type != Beat && a.Packet.Type != Bye:
		return &c.Malformed
	}
	w := m.peers[a.Packet.Name]
	switch {
	case w == nil && len(m.peers) >= m.maxPeers():
		return &c.Refused
	case w == nil, a.Packet.Incarnation > w.peer.Incarnation:
		return nil
	case a.Packet.Incarnation < w.peer.Incarnation:
		return &c.Replayed
	case a.From != w.peer.Addr:
		return &c.WrongSource
	}
	return nil
}

// admit begins a new incarnation of a peer, of one that is not known yet if w is
// nil. The caller holds m.mu.
func (m *Monitor) admit(w *watched, a Arrival, now time.Time) *watched {
	if w == nil {
		w = &watched{peer: Peer{Name: a.Packet.Name}}
		if m.peers == nil {
			m.peers = make(map[Name]*watched)
		}
		m.peers[a.Packet.Name] = w
	}
	w.window = Window{}
	w.detector = m.newDetector(now)
	w.peer.Addr, w.peer.Incarnation = a.From, a.Packet.Incarnation
	m.change(w, Alive, now)
	return w
}

// judge asks every detector, and forgets who has been gone for long.
func (m *Monitor) judge(now time.Time) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for name, w := range m.peers {
		if w.peer.State != Left {
			if state := w.detector.Check(now); state != w.peer.State {
				m.change(w, state, now)
			}
		}
		if (w.peer.State == Dead || w.peer.State == Left) && now.Sub(w.peer.Since) >= m.forgetAfter() {
			delete(m.peers, name)
		}
	}
}

// change says that a peer has become something. The caller holds m.mu.
func (m *Monitor) change(w *watched, to State, now time.Time) {
	m.events = append(m.events, Event{
		Time: now, Name: w.peer.Name, Addr: w.peer.Addr, Incarnation: w.peer.Incarnation, From: w.peer.State, To: to,
	})
	w.peer.State, w.peer.Since = to, now
}

// tell tells OnEvent what it has not been told of. The lock is not held
// meanwhile: OnEvent may be slow, and may ask for Peers.
func (m *Monitor) tell() {
	m.mu.Lock()
	events := m.events
	m.events = nil
	m.mu.Unlock()
	if m.OnEvent == nil {
		return
	}
	for _, e := range events {
		m.OnEvent(e)
	}
}

// Peers is a snapshot of all peers, in the order of their names.
func (m *Monitor) Peers() []Peer {
	m.mu.Lock()
	peers := make([]Peer, 0, len(m.peers))
	for _, w := range m.peers {
		peers = append(peers, w.peer)
	}
	m.mu.Unlock()
	slices.SortFunc(peers, func(a, b Peer) int { return a.Name.Compare(b.Name) })
	return peers
}

// Counters are the counts so far.
func (m *Monitor) Counters() Counters {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.counters
}

func (m *Monitor) newDetector(now time.Time) Detector {
	if m.NewDetector != nil {
		return m.NewDetector(now)
	}
	after := SuspectAfter(DefaultInterval, 0.2, 1)
	return NewTimeout(TimeoutConfig{SuspectAfter: after, DeadAfter: 3 * after, Recover: 3}, now)
}

func (m *Monitor) tick() time.Duration {
	if m.Tick <= 0 {
		return DefaultTick
	}
	return m.Tick
}

func (m *Monitor) maxPeers() int {
	if m.MaxPeers <= 0 {
		return DefaultMaxPeers
	}
	return m.MaxPeers
}

func (m *Monitor) forgetAfter() time.Duration {
	if m.ForgetAfter <= 0 {
		return DefaultForgetAfter
	}
	return m.ForgetAfter
}
