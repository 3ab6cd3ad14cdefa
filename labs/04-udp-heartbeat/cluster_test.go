package udpheartbeat_test

import (
	"container/heap"
	"fmt"
	"math/rand/v2"
	"time"

	heartbeat "workbook.example/labs/04-udp-heartbeat"
)

// group is the names of so many members.
func group(n int) (names []heartbeat.Name) {
	for i := range n {
		names = append(names, named(fmt.Sprintf("m%d", i+1)))
	}
	return names
}

var (
	m1, m2, m3, m4, m5 = named("m1"), named("m2"), named("m3"), named("m4"), named("m5")
)

// A cluster is a group of members on a network, both in a time of their own.
type cluster struct {
	names   []heartbeat.Name
	members map[heartbeat.Name]*heartbeat.Member
	cfg     heartbeat.SwimConfig
	r       *rand.Rand
	began   time.Time
	now     time.Time
	under   letters
	order   int
	loss    float64
	on      delay
	cut     func(from, to heartbeat.Name) bool
	gone    map[heartbeat.Name]bool
	sent    int
	watch   func(c *cluster, who heartbeat.Name) // called when a member has done something
}

// newCluster makes a group that probes once a second.
func newCluster(r *rand.Rand, names []heartbeat.Name, cfg heartbeat.SwimConfig) *cluster {
	if cfg.Period == 0 {
		cfg.Period = time.Second
	}
	cfg.Rand = r
	c := &cluster{names: names, members: map[heartbeat.Name]*heartbeat.Member{}, cfg: cfg, r: r, gone: map[heartbeat.Name]bool{}}
	c.began = time.Now()
	c.now, c.on = c.began, calm
	for _, name := range names {
		c.members[name] = heartbeat.NewMember(name, cfg, names...)
	}
	return c
}

// run lets time pass, in steps of a tenth of a ProbeTimeout.
func (c *cluster) run(d time.Duration) {
	step := c.cfg.Period / 30
	for end := c.now.Add(d); c.now.Before(end); c.now = c.now.Add(step) {
		for len(c.under) > 0 && !c.under[0].at.After(c.now) {
			l := heap.Pop(&c.under).(letter)
			if c.gone[l.to] {
				continue
			}
			c.send(l.to, c.members[l.to].Receive(l.at, l.from, l.message))
		}
		for _, name := range c.names {
			if !c.gone[name] {
				c.send(name, c.members[name].Tick(c.now))
			}
		}
	}
}

// send sends what a member has given, and lets the cluster's watcher look at it.
func (c *cluster) send(from heartbeat.Name, envelopes []heartbeat.Envelope) {
	for _, e := range envelopes {
		c.sent++
		if c.r.Float64() < c.loss || c.cut != nil && c.cut(from, e.To) {
			continue
		}
		c.order++
		heap.Push(&c.under, letter{c.now.Add(c.on(c.r)), c.order, from, e.To, e.Message})
	}
	if c.watch != nil {
		c.watch(c, from)
	}
}

// say hands a message to a member as if from had sent it, and passes on what it
// gives back.
func (c *cluster) say(to, from heartbeat.Name, m heartbeat.Message) {
	c.send(to, c.members[to].Receive(c.now, from, m))
}

type letter struct {
	at       time.Time
	order    int
	from, to heartbeat.Name
	message  heartbeat.Message
}

type letters []letter

func (l letters) Len() int { return len(l) }
func (l letters) Less(i, j int) bool {
	if !l[i].at.Equal(l[j].at) {
		return l[i].at.Before(l[j].at)
	}
	return l[i].order < l[j].order
}
func (l letters) Swap(i, j int) { l[i], l[j] = l[j], l[i] }
func (l *letters) Push(x any)   { *l = append(*l, x.(letter)) }
func (l *letters) Pop() any {
	last := (*l)[len(*l)-1]
	*l = (*l)[:len(*l)-1]
	return last
}
