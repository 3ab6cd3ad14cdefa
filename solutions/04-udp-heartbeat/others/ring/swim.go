package udpheartbeat

import (
	"math/rand/v2"
	"slices"
	"time"
)

// Defaults of a SwimConfig.
const (
	DefaultPeriod  = time.Second
	DefaultHelpers = 3
)

// A SwimConfig says how a Member probes the others.
type SwimConfig struct {
	// Period is the time from probe to probe; 0 is DefaultPeriod.
	Period time.Duration

	// ProbeTimeout is how long the one who is probed may take to answer before
	// others are asked to try; 0 is a third of Period.
	ProbeTimeout time.Duration

	// Helpers is how many others are asked; 0 is DefaultHelpers.
	Helpers int

	// SuspectFor is how long somebody who is suspect has to say otherwise before
	// it counts as dead; 0 is five periods.
	SuspectFor time.Duration

	// Rand decides whom to probe and whom to ask; nil is the global source.
	Rand *rand.Rand
}

// A Member is one of a group who watch each other (Das, Gupta, Motivala, SWIM,
// 2002). In each period it probes one other, so that its work does not grow with the
// group; what it finds out travels with the messages of all.
//
// A Member has no socket, no clock and no timer: whoever runs it hands it what
// comes, says what time it is, and sends what it gives back. It belongs to one
// goroutine at a time.
type Member struct {
	name        Name
	incarnation uint32
	cfg         SwimConfig
	others      map[Name]*opinion
	turn        []Name // who is still to be probed in this round
	probe       probe
	favours     map[uint32]favour // pings for others, by Seq
	seq         uint32            // of the last Ping or PingReq
	news        gossip
	started     bool
}

// An opinion is what a Member thinks of another.
type opinion struct {
	state       State
	incarnation uint32
	since       time.Time // when it became what it is
}

// A probe is the question of a period.
type probe struct {
	target   Name // none when there is nobody to probe
	seq      uint32
	began    time.Time
	helped   bool   // others have been asked
	helpers  []Name // these
	answered bool
}

// A favour is a Ping that somebody else asked for.
type favour struct {
	who   Name
	whom  Name
	seq   uint32 // of the PingReq
	began time.Time
}

// NewMember makes a member who knows the others' names and takes them for alive.
func NewMember(name Name, cfg SwimConfig, others ...Name) *Member {
	if cfg.Period == 0 {
		cfg.Period = DefaultPeriod
	}
	if cfg.ProbeTimeout == 0 {
		cfg.ProbeTimeout = cfg.Period / 3
	}
	if cfg.Helpers == 0 {
		cfg.Helpers = DefaultHelpers
	}
	if cfg.SuspectFor == 0 {
		cfg.SuspectFor = 5 * cfg.Period
	}
	m := &Member{name: name, cfg: cfg, others: map[Name]*opinion{}, favours: map[uint32]favour{}}
	for _, other := range others {
		if other != name {
			m.others[other] = &opinion{state: Alive}
		}
	}
	return m
}

// State is what the member thinks of another, and of which incarnation; Unknown
// of somebody of whom it never heard. Of itself it knows that it is alive.
func (m *Member) State(name Name) (State, uint32) {
	if name == m.name {
		return Alive, m.incarnation
	}
	if o := m.others[name]; o != nil {
		return o.state, o.incarnation
	}
	return Unknown, 0
}

// Tick does what is due at this time and returns what is to be sent. It is
// called several times in a ProbeTimeout.
func (m *Member) Tick(now time.Time) []Envelope {
	var out []Envelope
	if m.started && !m.probe.answered && !m.probe.helped && now.Sub(m.probe.began) >= m.cfg.ProbeTimeout {
		m.probe.helped = true
		out = m.askHelpers()
	}
	if !m.started || now.Sub(m.probe.began) >= m.cfg.Period {
		m.endProbe(now)
		out = append(out, m.beginProbe(now)...)
	}
	m.expire(now)
	return out
}

// Receive takes a message from another member and returns what is to be sent. Its
// news count first, whatever it is. A Ping is answered. For a PingReq its
// Target is pinged, and when that answers, so is the PingReq. An Answer to the
// present probe, the target's own or a helper's, ends it. From anybody who was
// not asked it is none: numbers begin again when a member does.
func (m *Member) Receive(now time.Time, from Name, msg Message) []Envelope {
	for _, u := range msg.Updates {
		m.apply(now, u)
	}
	reply := func(to Name, msg Message) []Envelope { return []Envelope{m.envelope(to, msg)} }
	switch msg.Kind {
	case Ping:
		return reply(from, Message{Kind: Answer, Seq: msg.Seq})
	case PingReq:
		m.seq++
		m.favours[m.seq] = favour{who: from, whom: msg.Target, seq: msg.Seq, began: now}
		return reply(msg.Target, Message{Kind: Ping, Seq: m.seq})
	case Answer:
		if f, ok := m.favours[msg.Seq]; ok && f.whom == from {
			delete(m.favours, msg.Seq)
			return reply(f.who, Message{Kind: Answer, Seq: f.seq})
		}
		if msg.Seq == m.probe.seq && (from == m.probe.target || slices.Contains(m.probe.helpers, from)) {
			m.probe.answered = true
		}
	}
	return nil
}

// beginProbe pings the next in turn, if there is anybody.
func (m *Member) beginProbe(now time.Time) []Envelope {
	m.started = true
	m.seq++
	m.probe = probe{target: m.nextTarget(), seq: m.seq, began: now}
	if !m.probe.target.IsValid() {
		m.probe.answered = true
		return nil
	}
	return []Envelope{m.envelope(m.probe.target, Message{Kind: Ping, Seq: m.seq})}
}

// nextTarget is who is probed next: everybody who is not dead once in a round,
// in an order that is another one each round, so that nobody waits for longer
// than two rounds, and no two members go round in step. It is no name when there is
// nobody.
func (m *Member) nextTarget() Name {
	for range 2 {
		for len(m.turn) > 0 {
			next := m.turn[0]
			m.turn = m.turn[1:]
			if m.others[next].state != Dead {
				return next
			}
		}
		m.turn = m.living()
		m.shuffle(m.turn)
	}
	return Name{}
}

// askHelpers asks cfg.Helpers others to ping the target of the present probe.
// They answer with the probe's own Seq. Whoever is Alive as far as is known comes
// first, suspects are asked only when those are too few, and the dead never: a
// helper that does not answer makes a suspect of a target that may be well.
func (m *Member) askHelpers() []Envelope {
	var out []Envelope
	names := m.living()
	m.shuffle(names)
	for _, state := range []State{Alive, Suspect} {
		for _, helper := range names {
			if len(out) < m.cfg.Helpers && helper != m.probe.target && m.others[helper].state == state {
				m.probe.helpers = append(m.probe.helpers, helper)
				out = append(out, m.envelope(helper, Message{Kind: PingReq, Seq: m.probe.seq, Target: m.probe.target}))
			}
		}
	}
	return out
}

// endProbe suspects the target of the present probe if neither it nor a helper has
// answered.
func (m *Member) endProbe(now time.Time) {
	if target := m.others[m.probe.target]; target != nil && !m.probe.answered {
		m.apply(now, Update{m.probe.target, Suspect, target.incarnation})
	}
}

// expire declares dead who has been suspect for cfg.SuspectFor, and forgets
// favours that were asked a period ago.
func (m *Member) expire(now time.Time) {
	for _, name := range m.living() {
		if o := m.others[name]; o.state == Suspect && now.Sub(o.since) >= m.cfg.SuspectFor {
			m.apply(now, Update{name, Dead, o.incarnation})
		}
	}
	for seq, f := range m.favours {
		if now.Sub(f.began) >= m.cfg.Period {
			delete(m.favours, seq)
		}
	}
}

// apply takes an update into account, if it is news, and then passes it on.
//
//   - Of two incarnations the greater one counts.
//   - In the same one the worse state counts: Dead, Suspect, Alive.
//   - An update that says that this member itself is suspect or dead, in its present
//     incarnation or a later one, is refuted: the member takes the incarnation
//     after that, and says that it is alive.
//   - Somebody who was unknown is known from then on.
func (m *Member) apply(now time.Time, u Update) {
	if u.Name == m.name {
		if u.State != Alive && u.Incarnation >= m.incarnation {
			m.incarnation = u.Incarnation + 1
			m.news.add(Update{m.name, Alive, m.incarnation})
		}
		return
	}
	o := m.others[u.Name]
	if o != nil && (u.Incarnation < o.incarnation || u.Incarnation == o.incarnation && u.State <= o.state) {
		return
	}
	m.others[u.Name] = &opinion{u.State, u.Incarnation, now}
	m.news.add(u)
}

// living are the others who are not dead, in the order of their names.
func (m *Member) living() []Name {
	var names []Name
	for name, o := range m.others {
		if o.state != Dead {
			names = append(names, name)
		}
	}
	slices.SortFunc(names, Name.Compare)
	return names
}

func (m *Member) shuffle(names []Name) {
	shuffle := rand.Shuffle
	if m.cfg.Rand != nil {
		shuffle = m.cfg.Rand.Shuffle
	}
	shuffle(len(names), func(i, j int) { names[i], names[j] = names[j], names[i] })
}

// envelope puts news into a message. Somebody whom this member takes for suspect or
// dead is told so, whatever else is told: only it can refute it.
func (m *Member) envelope(to Name, msg Message) Envelope {
	msg.Updates = m.news.pick(len(m.others) + 1)
	if state, incarnation := m.State(to); state == Suspect || state == Dead {
		accused := Update{to, state, incarnation}
		if !slices.Contains(msg.Updates, accused) {
			msg.Updates = append(msg.Updates, accused)
		}
	}
	return Envelope{to, msg}
}
