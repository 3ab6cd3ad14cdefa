package labtest

import (
	"container/heap"
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"

	"workbook.example/tools/wire"
)

// PacketNet is a network for datagrams, in memory: what UDP is to programs,
// with the faults that a test asks for. Its ends are net.PacketConn and
// net.Conn, and wait in a way that FakeTime knows as waiting.
//
// Whatever it does at random comes from the test's seed, which is told with the
// failure, together with the command that replays it. What becomes of a
// datagram depends on the seed, on who sends it to whom, and on how many went
// that way since it was first left to chance: not on the clock, and not on what
// others do.
//
// A PacketNet may be made outside of FakeTime; its ends belong inside, with all
// who use them, and are closed there (Close).
type PacketNet struct {
	t    *T
	name string

	mu      sync.Mutex // guards everything below, and the ends
	general packetFaults
	hosts   []string // by number: the first is 10.0.0.1
	ways    map[[2]string]*way
	apart   []map[string]bool // sides of partitions
	ends    map[netip.AddrPort]*PacketEnd
	under   journeys // datagrams that are on their way
	order   uint64   // of the last one that set out
	counts  PacketCounts
	label   func([]byte) string
	drawn   int
}

// PacketCounts says what became of the datagrams of a PacketNet.
type PacketCounts struct {
	Sent       int // by anybody to anybody
	Lost       int // by Lose
	Cut        int // by Cut or Partition
	Duplicated int // arrived, or would have arrived, twice
	Arrived    int // at an end, copies included
	Refused    int // arrived where nobody listens
	Overflowed int // arrived at an end whose queue was full
}

// A way goes from one participant to another. The way back is another way.
type way struct {
	faults *packetFaults // nil: those of the network
	cut    bool
	plan   passagePlan
	ready  bool // the plan has been made
}

// PacketQueue is how many datagrams wait at an end to be read. What arrives
// when they do is lost, as in a socket whose buffer is full.
const PacketQueue = 1024

// PacketNet makes a network with the given faults, which hold for all ways
// that have none of their own. Name tells it from others of the same test.
func (t *T) PacketNet(name string, faults ...PacketFault) *PacketNet {
	n := &PacketNet{t: t, name: name, ways: map[[2]string]*way{}, ends: map[netip.AddrPort]*PacketEnd{}}
	n.Set(faults...)
	return n
}

// Set replaces the faults of the network.
func (n *PacketNet) Set(faults ...PacketFault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.general = packetFaults{}
	for _, f := range faults {
		f.set(&n.general)
	}
}

// Path gives the way from one participant to another faults of its own, instead
// of the network's. The way back is not touched.
func (n *PacketNet) Path(from, to string, faults ...PacketFault) {
	n.mu.Lock()
	defer n.mu.Unlock()
	own := &packetFaults{}
	for _, f := range faults {
		f.set(own)
	}
	n.way(from, to).faults = own
}

// Cut lets nothing pass from one participant to another, until Heal. The way
// back is not touched: a network that hears and cannot be heard.
func (n *PacketNet) Cut(from, to string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.way(from, to).cut = true
	n.note(from, to, fmt.Sprintf(labelOneWay, from, to))
}

// Partition lets nothing pass between the named participants and all others, in
// neither direction, until Heal.
func (n *PacketNet) Partition(names ...string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	side := map[string]bool{}
	for _, name := range names {
		side[name] = true
	}
	n.apart = append(n.apart, side)
	if len(names) > 0 {
		n.note(names[0], "", fmt.Sprintf(labelPartition, listed(names)))
	}
}

// Heal ends all Cuts and Partitions. What is lost stays lost.
func (n *PacketNet) Heal() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.apart = nil
	for _, w := range n.ways {
		w.cut = false
	}
	if len(n.hosts) > 0 {
		n.note(n.hosts[0], "", labelHealed)
	}
}

// Counts says what has become of the datagrams so far.
func (n *PacketNet) Counts() PacketCounts {
	n.mu.Lock()
	defer n.mu.Unlock()
	return n.counts
}

// Plan is what becomes of the first datagrams from one participant to another
// when nothing is cut and the faults stay what they are now.
func (n *PacketNet) Plan(from, to string, datagrams int) []Passage {
	n.mu.Lock()
	defer n.mu.Unlock()
	faults := n.faults(n.way(from, to))
	plan := n.plan(from, to)
	out := make([]Passage, datagrams)
	for i := range out {
		out[i] = plan.next(faults)
	}
	return out
}

// Draw records what is sent from now on, so that a failure shows it, each
// datagram as label describes it. Of a long conversation the beginning is
// recorded.
func (n *PacketNet) Draw(label func(datagram []byte) string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.label = label
}

// Close closes all ends.
func (n *PacketNet) Close() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for _, e := range n.ends {
		e.shut()
	}
}

// way is the way from one participant to another. The caller holds n.mu.
func (n *PacketNet) way(from, to string) *way {
	key := [2]string{from, to}
	if n.ways[key] == nil {
		n.ways[key] = &way{}
	}
	return n.ways[key]
}

func (n *PacketNet) faults(w *way) packetFaults {
	if w.faults != nil {
		return *w.faults
	}
	return n.general
}

func (n *PacketNet) plan(from, to string) passagePlan {
	return passagePlan{n.t.random(fmt.Sprintf("%s %s %s", n.name, from, to))}
}

// isCut reports whether nothing passes from one participant to another.
func (n *PacketNet) isCut(from, to string) bool {
	return n.way(from, to).cut ||
		slices.ContainsFunc(n.apart, func(side map[string]bool) bool { return side[from] != side[to] })
}

// host is the number of a participant: that of its address.
func (n *PacketNet) host(name string) int {
	i := slices.Index(n.hosts, name)
	if i < 0 {
		i = len(n.hosts)
		n.hosts = append(n.hosts, name)
		n.t.talk.Join(name)
	}
	return i + 1
}

// named is the participant that has an address, "" if nobody does.
func (n *PacketNet) named(addr netip.AddrPort) string {
	a := addr.Addr().Unmap()
	if !a.Is4() || !network.Contains(a) {
		return ""
	}
	b := a.As4()
	if i := int(b[2])<<8 | int(b[3]); i >= 1 && i <= len(n.hosts) {
		return n.hosts[i-1]
	}
	return ""
}

var network = netip.MustParsePrefix("10.0.0.0/16")

func addressOf(host int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, 0, byte(host >> 8), byte(host)})
}

// carry takes a datagram that e sends to an address. The caller holds n.mu.
func (n *PacketNet) carry(e *PacketEnd, to netip.AddrPort, b []byte) {
	n.counts.Sent++
	name := n.named(to)
	w := n.way(e.name, name)
	faults := n.faults(w)
	if faults.random() && !w.ready {
		w.plan, w.ready = n.plan(e.name, name), true
	}
	passage := w.plan.next(faults)
	cut := n.isCut(e.name, name)
	switch {
	case cut:
		n.counts.Cut++
		passage = nil
	case len(passage) == 0:
		n.counts.Lost++
	case len(passage) > 1:
		n.counts.Duplicated++
	}
	n.draw(e.name, name, b, passage)
	datagram := slices.Clone(b)
	now := time.Now()
	for _, took := range passage {
		n.order++
		j := &journey{from: e, to: to, bytes: datagram, due: now.Add(took), order: n.order}
		if took == 0 {
			n.arrive(j)
			continue
		}
		heap.Push(&n.under, j)
		time.AfterFunc(took, n.deliver)
	}
}

// deliver lets everything arrive that is due, in the order in which it is.
func (n *PacketNet) deliver() {
	n.mu.Lock()
	defer n.mu.Unlock()
	for now := time.Now(); len(n.under) > 0 && !n.under[0].due.After(now); {
		n.arrive(heap.Pop(&n.under).(*journey))
	}
}

func (n *PacketNet) arrive(j *journey) {
	end := n.ends[j.to]
	if end == nil || end.remote.IsValid() && end.remote != j.from.local {
		n.counts.Refused++
		if j.from.remote.IsValid() { // only a connected socket hears of it
			j.from.refused = true
			j.from.change()
		}
		return
	}
	if len(end.queue) >= PacketQueue {
		n.counts.Overflowed++
		return
	}
	n.counts.Arrived++
	end.queue = append(end.queue, arrival{j.from.local, j.bytes})
	end.change()
}

// maxDrawn is how much of a conversation is recorded.
const maxDrawn = 2000

func (n *PacketNet) draw(from, to string, b []byte, passage Passage) {
	if n.label == nil || n.drawn >= maxDrawn {
		return
	}
	n.drawn++
	text := n.label(b)
	switch len(passage) {
	case 0:
		text = fmt.Sprintf(labelLost, text)
	case 2:
		text = fmt.Sprintf(labelTwice, text)
	}
	n.t.talk.Add(wire.Event{From: from, To: to, Kind: wire.Send, Text: text, Bytes: b})
}

func (n *PacketNet) note(from, to, text string) {
	if n.label != nil {
		n.t.talk.Add(wire.Event{From: from, To: to, Kind: wire.Note, Text: text})
	}
}

// A journey is a copy of a datagram on its way.
type journey struct {
	from  *PacketEnd
	to    netip.AddrPort
	bytes []byte
	due   time.Time
	order uint64
}

// journeys is a heap: the first is the next to arrive.
type journeys []*journey

func (j journeys) Len() int { return len(j) }
func (j journeys) Less(a, b int) bool {
	if !j[a].due.Equal(j[b].due) {
		return j[a].due.Before(j[b].due)
	}
	return j[a].order < j[b].order
}
func (j journeys) Swap(a, b int) { j[a], j[b] = j[b], j[a] }
func (j *journeys) Push(x any)   { *j = append(*j, x.(*journey)) }
func (j *journeys) Pop() any {
	last := (*j)[len(*j)-1]
	*j = (*j)[:len(*j)-1]
	return last
}
