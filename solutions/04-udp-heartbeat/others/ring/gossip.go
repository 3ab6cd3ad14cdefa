package udpheartbeat

import (
	"fmt"
	"math/bits"
	"slices"
	"strings"
)

// MessageKind says what a Message is.
type MessageKind int

// The kinds of messages.
const (
	Ping    MessageKind = iota + 1 // are you there? Answered with an Answer
	Answer                         // I am; or, from a helper: the one you asked for is
	PingReq                        // would you ask Target for me?
)

// String is the kind as it stands in a sentence.
func (k MessageKind) String() string {
	switch k {
	case Ping:
		return "ping"
	case Answer:
		return "answer"
	case PingReq:
		return "ping-req"
	}
	return fmt.Sprintf("kind %d", int(k))
}

// A Message goes from one Member of a group to another.
type Message struct {
	Kind    MessageKind
	Seq     uint32   // of an Answer: that of the Ping or PingReq which it answers
	Target  Name     // of a PingReq: who is to be asked
	Updates []Update // news about members that travels along
}

// String is the message as it stands in a sentence.
func (m Message) String() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v %d", m.Kind, m.Seq)
	if m.Kind == PingReq {
		fmt.Fprintf(&b, " for %v", m.Target)
	}
	for _, u := range m.Updates {
		fmt.Fprintf(&b, ", %v", u)
	}
	return b.String()
}

// An Envelope is a message on its way out.
type Envelope struct {
	To      Name
	Message Message
}

// An Update is what somebody thinks of a member. Only the member itself makes
// its Incarnation greater.
type Update struct {
	Name        Name
	State       State // Alive, Suspect or Dead
	Incarnation uint32
}

// String is the update as it stands in a sentence.
func (u Update) String() string { return fmt.Sprintf("%v is %v (%d)", u.Name, u.State, u.Incarnation) }

// maxUpdates is how many updates travel with a message.
const maxUpdates = 6

// gossip holds the news that a member passes on: each item as often as it takes
// to reach everybody with certainty enough, the least told first. Nothing is
// sent for it: it travels along with messages that go anyhow.
type gossip struct{ items []item }

type item struct {
	update Update
	told   int
}

// add puts an update among the news, in the place of older ones about the same
// member.
func (g *gossip) add(u Update) {
	g.items = slices.DeleteFunc(g.items, func(i item) bool { return i.update.Name == u.Name })
	g.items = append(g.items, item{update: u})
}

// pick takes the updates for one message in a group of so many members. In such
// a group an item is told 3 × log2(members) times, and then no more.
func (g *gossip) pick(members int) []Update {
	slices.SortStableFunc(g.items, func(a, b item) int { return a.told - b.told })
	var updates []Update
	for i := range g.items[:min(maxUpdates, len(g.items))] {
		g.items[i].told++
		updates = append(updates, g.items[i].update)
	}
	often := 3 * bits.Len(uint(members))
	g.items = slices.DeleteFunc(g.items, func(i item) bool { return i.told >= often })
	return updates
}
