package udpheartbeat_test

import (
	"fmt"
	"slices"
	"testing"
	"time"

	heartbeat "workbook.example/labs/04-udp-heartbeat"
	"workbook.example/tools/labtest"
)

// views is what everybody who is there thinks of a member.
func (c *cluster) views(of heartbeat.Name) (states []heartbeat.State) {
	for _, name := range c.names {
		if !c.gone[name] && name != of {
			state, _ := c.members[name].State(of)
			states = append(states, state)
		}
	}
	return states
}

func all(states []heartbeat.State, want heartbeat.State) bool {
	return !slices.ContainsFunc(states, func(s heartbeat.State) bool { return s != want })
}

// ofKind are the envelopes of one kind.
func ofKind(kind heartbeat.MessageKind, envelopes []heartbeat.Envelope) (some []heartbeat.Envelope) {
	for _, e := range envelopes {
		if e.Message.Kind == kind {
			some = append(some, e)
		}
	}
	return some
}

// spoken is what a member sends, in a sentence.
func spoken(envelopes []heartbeat.Envelope) string {
	var parts []string
	for _, e := range envelopes {
		parts = append(parts, fmt.Sprintf("to %v: %v", e.To, e.Message))
	}
	if parts == nil {
		return "nothing"
	}
	return list(parts)
}

// probed lets a member begin a period, and returns its ping.
func probed(t *labtest.T, m *heartbeat.Member, now time.Time) heartbeat.Envelope {
	t.Helper()
	pings := ofKind(heartbeat.Ping, m.Tick(now))
	if len(pings) != 1 {
		t.Broken("At the beginning of a period m1 pinged %d members (%s); expected one.", len(pings), spoken(pings))
	}
	return pings[0]
}

// silence lets a member tick for a time, without any answers, and returns what it
// sends.
func silence(m *heartbeat.Member, now *time.Time, d time.Duration) (out []heartbeat.Envelope) {
	for end := now.Add(d); now.Before(end); {
		*now = now.Add(ms(10))
		out = append(out, m.Tick(*now)...)
	}
	return out
}

func newMember(t *labtest.T, n int) *heartbeat.Member {
	return heartbeat.NewMember(m1, heartbeat.SwimConfig{Period: time.Second, ProbeTimeout: ms(300), SuspectFor: 5 * time.Second, Rand: t.Rand()}, group(n)...)
}

func TestPingIsAnsweredWithItsNumber(tt *testing.T) {
	t := labtest.Begin(tt)
	m := newMember(t, 3)
	out := m.Receive(time.Now(), m2, heartbeat.Message{Kind: heartbeat.Ping, Seq: 17})
	if len(out) != 1 || out[0].To != m2 || out[0].Message.Kind != heartbeat.Answer || out[0].Message.Seq != 17 {
		t.Broken("m2 sent ping 17 to m1, which sent %s; expected answer 17 to m2.", spoken(out))
	}
}

func TestEverybodyIsProbedInTurn(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(7)
	const others = 7
	m := newMember(t, others+1)
	now := time.Now()
	var targets []heartbeat.Name
	for range 10 * others {
		now = now.Add(time.Second)
		ping := probed(t, m, now)
		targets = append(targets, ping.To)
		m.Receive(now, ping.To, heartbeat.Message{Kind: heartbeat.Answer, Seq: ping.Message.Seq})
	}
	orders := map[string]bool{}
	for round := 0; round < len(targets); round += others {
		one := targets[round : round+others]
		orders[list(one)] = true
		if sorted := slices.SortedFunc(slices.Values(one), heartbeat.Name.Compare); len(slices.Compact(sorted)) != others {
			t.Broken("In a group of 8, m1 probed in %d periods: %s; expected everybody else once in that round.", others, list(one))
		}
	}
	if len(orders) < 3 {
		t.Broken("In 10 rounds m1 probed the others in %d different orders (%s); expected another one in each round, mostly.", len(orders), list(targets[:others]))
	}
}

func TestSilentMemberIsAskedForByOthers(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(7)
	m := newMember(t, 8)
	now := time.Now()
	ping := probed(t, m, now)
	target := ping.To
	if out := silence(m, &now, ms(290)); len(out) > 0 {
		t.Broken("%v had 300 ms to answer, and after 290 ms m1 had sent %s; expected nothing yet.", target, spoken(out))
	}
	out := ofKind(heartbeat.PingReq, silence(m, &now, ms(100)))
	helpers := map[heartbeat.Name]bool{}
	for _, e := range out {
		helpers[e.To] = true
		if e.To == target || e.To == m1 || e.Message.Target != target || e.Message.Seq != ping.Message.Seq {
			t.Broken("%v did not answer ping %d, and m1 sent, to %v: %v; expected others than the two to be asked, under the same number.", target, ping.Message.Seq, e.To, e.Message)
		}
	}
	if len(out) != heartbeat.DefaultHelpers || len(helpers) != len(out) {
		t.Broken("%v did not answer within 300 ms, and m1 sent %s; expected %d different members to be asked, once.", target, spoken(out), heartbeat.DefaultHelpers)
	}
	if state, _ := m.State(target); state != alive {
		t.Broken("%v did not answer within 300 ms, and before anybody could help m1 called it %v; expected alive, until the period is over.", target, state)
	}
	// A helper's answer is as good as its own.
	m.Receive(now, out[0].To, heartbeat.Message{Kind: heartbeat.Answer, Seq: out[0].Message.Seq})
	silence(m, &now, ms(700))
	if state, _ := m.State(target); state != alive {
		t.Broken("%v did not answer m1, but did answer %v, who said so; and m1 called it %v; expected alive.", target, out[0].To, state)
	}
	// Whoever is hardly there himself is no help. Of six others three are alive.
	for range 10 { // by chance nobody asks these three so often
		m, now := newMember(t, 8), time.Now()
		ping := probed(t, m, now)
		others := slices.DeleteFunc(group(8), func(n heartbeat.Name) bool { return n == m1 || n == ping.To })
		m.Receive(now, others[0], heartbeat.Message{Kind: heartbeat.Ping, Seq: 1, Updates: []heartbeat.Update{
			{Name: others[1], State: dead}, {Name: others[3], State: suspect}, {Name: others[5], State: suspect},
		}})
		var helpers []heartbeat.Name
		for _, e := range ofKind(heartbeat.PingReq, silence(m, &now, ms(390))) {
			helpers = append(helpers, e.To)
			if state, _ := m.State(e.To); state != alive {
				t.Broken("%v did not answer, and m1 asked %v for help, which it takes for %v; expected that it asks %v, %v and %v, who are alive.", ping.To, e.To, state, others[0], others[2], others[4])
			}
		}
		if len(helpers) != heartbeat.DefaultHelpers {
			t.Broken("%v did not answer, and of six others %v, %v and %v were alive. m1 asked for help: %s; expected these three.", ping.To, others[0], others[2], others[4], list(helpers))
		}
	}
}

func TestAnsweredProbeAsksNobody(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(7)
	m := newMember(t, 8)
	now := time.Now()
	ping := probed(t, m, now)
	m.Receive(now.Add(ms(50)), ping.To, heartbeat.Message{Kind: heartbeat.Answer, Seq: ping.Message.Seq})
	if out := silence(m, &now, ms(990)); len(out) > 0 {
		t.Broken("m1 pinged %v, which answered after 50 ms; and then, in the same period, m1 sent %s; expected nothing.", ping.To, spoken(out))
	}
	// The answer to an earlier probe is none to this one. With one other, all are to it.
	m, now = newMember(t, 2), time.Now()
	ping = probed(t, m, now)
	m.Receive(now, m2, heartbeat.Message{Kind: heartbeat.Answer, Seq: ping.Message.Seq})
	silence(m, &now, ms(990))
	now = now.Add(ms(10))
	probed(t, m, now)
	m.Receive(now, m2, heartbeat.Message{Kind: heartbeat.Answer, Seq: ping.Message.Seq})
	silence(m, &now, ms(1010))
	if state, _ := m.State(m2); state != suspect {
		t.Broken("In its second period m1 pinged m2 again, and only m2's answer to the ping of the first period came, once more: m1 calls it %v; expected suspect.", state)
	}
	// Nor is one under the right number from somebody who was not asked: numbers
	// begin again when a member does, and an answer may be to its former self.
	m, now = newMember(t, 8), time.Now()
	ping = probed(t, m, now)
	asked := []heartbeat.Name{m1, ping.To}
	for _, e := range silence(m, &now, ms(390)) {
		asked = append(asked, e.To)
	}
	for _, name := range group(8) {
		if !slices.Contains(asked, name) {
			m.Receive(now, name, heartbeat.Message{Kind: heartbeat.Answer, Seq: ping.Message.Seq})
		}
	}
	silence(m, &now, ms(700))
	if state, _ := m.State(ping.To); state != suspect {
		t.Broken("m1 pinged %v and asked three others for help, and none of them answered. Only members that m1 had not asked sent answers with that number, and m1 calls %v %v; expected suspect.", ping.To, ping.To, state)
	}
}

func TestFavourIsDone(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(7)
	m := newMember(t, 4)
	now := time.Now()
	out := m.Receive(now, m2, heartbeat.Message{Kind: heartbeat.PingReq, Seq: 70, Target: m3})
	if len(out) != 1 || out[0].To != m3 || out[0].Message.Kind != heartbeat.Ping {
		t.Broken("m2 asked m1 to ping m3 (ping-req 70), and m1 sent %s; expected a ping to m3.", spoken(out))
	}
	ping := out[0].Message.Seq
	if out := m.Receive(now, m4, heartbeat.Message{Kind: heartbeat.PingReq, Seq: 70, Target: m3}); len(out) != 1 || out[0].Message.Seq == ping {
		t.Broken("m2 and m4 both asked m1 to ping m3, and its pings were not two with a number each: %s.", spoken(out))
	}
	if out := m.Receive(now, m4, heartbeat.Message{Kind: heartbeat.Answer, Seq: ping}); len(out) != 0 {
		t.Broken("m2 asked m1 to ping m3, m4 sent an answer with the number of that ping, and m1 sent %s; expected nothing: that is not m3's word.", spoken(out))
	}
	out = m.Receive(now, m3, heartbeat.Message{Kind: heartbeat.Answer, Seq: ping})
	if len(out) != 1 || out[0].To != m2 || out[0].Message.Kind != heartbeat.Answer || out[0].Message.Seq != 70 {
		t.Broken("m2 asked m1 to ping m3 (ping-req 70), m3 answered m1, and m1 sent %s; expected answer 70 to m2.", spoken(out))
	}
	if out := m.Receive(now, m3, heartbeat.Message{Kind: heartbeat.Answer, Seq: ping}); len(out) != 0 {
		t.Broken("m3's answer came to m1 a second time, and m1 sent %s; expected nothing.", spoken(out))
	}
	// Nobody waits for an answer that takes longer than a period.
	out = m.Receive(now, m2, heartbeat.Message{Kind: heartbeat.PingReq, Seq: 71, Target: m3})
	late := out[0].Message.Seq
	silence(m, &now, 2*time.Second)
	if out := m.Receive(now, m3, heartbeat.Message{Kind: heartbeat.Answer, Seq: late}); len(out) != 0 {
		t.Broken("m2 asked m1 to ping m3, which answered two periods later, and m1 sent %s; expected nothing: such a favour is forgotten.", spoken(out))
	}
}

func TestSilenceMakesSuspectAndThenDead(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(7)
	m := newMember(t, 2) // nobody to ask
	now := time.Now()
	m.Tick(now)
	silence(m, &now, ms(990))
	if state, _ := m.State(m2); state != alive {
		t.Broken("m2 did not answer, and 990 ms into the period of a second m1 called it %v; expected alive.", state)
	}
	silence(m, &now, ms(20))
	if state, _ := m.State(m2); state != suspect {
		t.Broken("m2 did not answer in a whole period, and m1 called it %v; expected suspect.", state)
	}
	silence(m, &now, ms(4900))
	if state, _ := m.State(m2); state != suspect {
		t.Broken("m2 has been suspect for 4.9 s of 5, and m1 called it %v; expected suspect.", state)
	}
	silence(m, &now, ms(150))
	if state, _ := m.State(m2); state != dead {
		t.Broken("m2 has been suspect for 5 s, and m1 called it %v; expected dead.", state)
	}
}

func TestAccusationIsRefuted(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(7)
	for _, state := range []heartbeat.State{suspect, dead} {
		m := newMember(t, 3)
		out := m.Receive(time.Now(), m2, heartbeat.Message{Kind: heartbeat.Ping, Seq: 1, Updates: []heartbeat.Update{{Name: m1, State: state, Incarnation: 4}}})
		want := heartbeat.Update{Name: m1, State: alive, Incarnation: 5}
		if len(out) != 1 || !slices.Contains(out[0].Message.Updates, want) {
			t.Broken("m1 was told that it is %v in incarnation 4, and sent %s; expected an answer with the news that it is alive in incarnation 5.", state, spoken(out))
		}
		m.Receive(time.Now(), m2, heartbeat.Message{Kind: heartbeat.Ping, Seq: 2, Updates: []heartbeat.Update{{Name: m1, State: state, Incarnation: 4}}})
		if _, incarnation := m.State(m1); incarnation != 5 {
			t.Broken("m1 is alive in incarnation 5, was told once more that it is %v in incarnation 4, and now has incarnation %d; expected 5: that has been refuted.", state, incarnation)
		}
	}
}

func TestBetterNewsCounts(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(7)
	type opinion struct {
		state       heartbeat.State
		incarnation uint32
	}
	for _, c := range []struct{ held, told, want opinion }{
		// In the same incarnation the worse counts.
		{opinion{alive, 3}, opinion{suspect, 3}, opinion{suspect, 3}},
		{opinion{alive, 3}, opinion{dead, 3}, opinion{dead, 3}},
		{opinion{suspect, 3}, opinion{alive, 3}, opinion{suspect, 3}},
		{opinion{suspect, 3}, opinion{dead, 3}, opinion{dead, 3}},
		{opinion{dead, 3}, opinion{suspect, 3}, opinion{dead, 3}},
		{opinion{dead, 3}, opinion{alive, 3}, opinion{dead, 3}},
		// A later one counts, an earlier one does not, whatever it says.
		{opinion{suspect, 3}, opinion{alive, 4}, opinion{alive, 4}},
		{opinion{alive, 3}, opinion{suspect, 4}, opinion{suspect, 4}},
		{opinion{dead, 3}, opinion{alive, 4}, opinion{alive, 4}},
		{opinion{alive, 3}, opinion{suspect, 2}, opinion{alive, 3}},
		{opinion{alive, 3}, opinion{dead, 2}, opinion{alive, 3}},
		{opinion{suspect, 3}, opinion{dead, 2}, opinion{suspect, 3}},
	} {
		m := newMember(t, 4)
		now := time.Now()
		for _, o := range []opinion{c.held, c.told} {
			m.Receive(now, m3, heartbeat.Message{Kind: heartbeat.Ping, Seq: 1, Updates: []heartbeat.Update{{Name: m2, State: o.state, Incarnation: o.incarnation}}})
		}
		if state, incarnation := m.State(m2); state != c.want.state || incarnation != c.want.incarnation {
			t.Broken("m1 took m2 for %v (%d) and was told that it is %v (%d); now it takes it for %v (%d); expected %v (%d).", c.held.state, c.held.incarnation, c.told.state, c.told.incarnation, state, incarnation, c.want.state, c.want.incarnation)
		}
	}
	m := newMember(t, 2)
	m.Receive(time.Now(), m2, heartbeat.Message{Kind: heartbeat.Ping, Seq: 1, Updates: []heartbeat.Update{{Name: m5, State: alive, Incarnation: 2}}})
	if state, incarnation := m.State(m5); state != alive || incarnation != 2 {
		t.Broken("m1, who did not know m5, was told that it is alive (2), and takes it for %v (%d).", state, incarnation)
	}
}

func TestNewsIsPassedOn(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(7)
	c := newCluster(t.Rand(), group(20), heartbeat.SwimConfig{})
	c.run(3 * time.Second)
	c.gone[m5] = true
	crashed := c.now
	for !all(c.views(m5), dead) && c.now.Sub(crashed) < time.Minute {
		c.run(ms(100))
	}
	if views := c.views(m5); !all(views, dead) {
		t.Broken("In a group of 20, which probes once a second and suspects for 5 s, m5 crashed. A minute later the others take it for: %s; expected dead, by all.", list(views))
	}
	if took := c.now.Sub(crashed); took > 20*time.Second {
		t.Broken("In a group of 20, which probes once a second and suspects for 5 s, m5 crashed, and it took %v until all took it for dead; expected 20 s at most.", took.Round(ms(100)))
	}
	for _, name := range c.names {
		if name != m5 && !all(c.views(name), alive) {
			t.Broken("Only m5 crashed, and some take %v for: %s.", name, list(c.views(name)))
		}
	}
	// Old news is not told for ever: that would be a message without an end.
	if out := c.members[m1].Receive(c.now.Add(time.Hour), m2, heartbeat.Message{Kind: heartbeat.Ping, Seq: 1}); len(out) == 1 && len(out[0].Message.Updates) > 20 {
		t.Broken("Long after m5 died, m1 sent %d updates with an answer.", len(out[0].Message.Updates))
	}
}

func TestOneWayLossIsNoFailure(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(7)
	c := newCluster(t.Rand(), group(5), heartbeat.SwimConfig{})
	c.cut = func(from, to heartbeat.Name) bool { return from == m2 && to == m1 }
	var accused string
	c.watch = func(c *cluster, who heartbeat.Name) {
		for _, name := range c.names {
			if state, _ := c.members[who].State(name); state != alive && accused == "" {
				accused = fmt.Sprintf("%v took %v for %v after %v", who, name, state, c.now.Sub(c.began).Round(ms(100)))
			}
		}
	}
	c.run(10 * time.Minute)
	if accused != "" {
		t.Broken("In a group of 5 nothing came through from m2 to m1, and everything else did. %s; expected alive, for the others can hear it.", accused)
	}
}

func TestSuspicionIsRefutedInTime(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(7)
	c := newCluster(t.Rand(), group(5), heartbeat.SwimConfig{})
	c.run(3 * time.Second)
	// Somebody was wrong about m2, and tells m1.
	c.say(m1, m3, heartbeat.Message{Kind: heartbeat.Ping, Seq: 1, Updates: []heartbeat.Update{{Name: m2, State: suspect}}})
	c.run(30 * time.Second)
	if views := c.views(m2); !all(views, alive) {
		t.Broken("m1 was told that m2 is suspect, which it was not. Half a minute later the others take m2 for: %s; expected alive, by all.", list(views))
	}
	if _, incarnation := c.members[m2].State(m2); incarnation != 1 {
		t.Broken("m2 was suspected once, in incarnation 0, and half a minute later has incarnation %d; expected 1.", incarnation)
	}
}

func TestDeadMemberMayRejoin(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(7)
	c := newCluster(t.Rand(), group(5), heartbeat.SwimConfig{})
	c.run(3 * time.Second)
	c.gone[m4] = true
	c.run(30 * time.Second)
	if views := c.views(m4); !all(views, dead) {
		t.Broken("m4 crashed, and half a minute later the others take it for: %s; expected dead.", list(views))
	}
	delete(c.gone, m4) // as it was: it does not know that it was away
	c.run(30 * time.Second)
	if views := c.views(m4); !all(views, alive) {
		t.Broken("m4 was taken for dead and came back. Half a minute later the others take it for: %s; expected alive.", list(views))
	}
}

func TestWorkDoesNotGrowWithTheGroup(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(7)
	each := func(n int) float64 {
		c := newCluster(t.Rand(), group(n), heartbeat.SwimConfig{})
		c.run(20 * time.Second)
		return float64(c.sent) / float64(n) / 20
	}
	if few, many := each(5), each(60); many > 1.5*few || many > 4 {
		t.Broken("In a group of 5 each member sends %.1f messages a period, in a group of 60 it sends %.1f; expected the same.", few, many)
	}
}
