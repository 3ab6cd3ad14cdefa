package udpheartbeat_test

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	heartbeat "workbook.example/labs/04-udp-heartbeat"
	"workbook.example/tools/labtest"
)

// plain is a detector that these tests bring along: suspect after 500 ms of
// silence, dead after 1500 ms, or some times as soon.
type plain struct {
	last time.Time
	fast float64
}

func newPlain(now time.Time) heartbeat.Detector { return &plain{now, 1} }

func (d *plain) Heartbeat(now time.Time) { d.last = now }
func (d *plain) Check(now time.Time) heartbeat.State {
	switch silence := time.Duration(float64(now.Sub(d.last)) * d.fast); {
	case silence >= ms(1500):
		return dead
	case silence >= ms(500):
		return suspect
	}
	return alive
}

// A service is your Monitor, running.
type service struct {
	*heartbeat.Monitor
	conn *labtest.PacketEnd
	stop func() error

	mu     sync.Mutex
	events []heartbeat.Event
}

// monitor runs a Monitor as the participant "monitor".
func monitor(n *labtest.PacketNet, configure ...func(*heartbeat.Monitor)) *service {
	s := &service{conn: n.Listen("monitor")}
	s.Monitor = &heartbeat.Monitor{Key: key, NewDetector: newPlain, Tick: ms(20)}
	s.OnEvent = func(e heartbeat.Event) {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.events = append(s.events, e)
	}
	for _, set := range configure {
		set(s.Monitor)
	}
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- s.Run(ctx, s.conn) }()
	s.stop = func() error {
		cancel()
		return <-ran
	}
	return s
}

// changes is what was told of a name: "alive, suspect, dead".
func (s *service) changes(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	var states []heartbeat.State
	for _, e := range s.events {
		if e.Name == named(name) {
			states = append(states, e.To)
		}
	}
	return list(states)
}

// state is what a peer is; Unknown if it is not known.
func (s *service) state(name string) heartbeat.State { return s.peer(name).State }

func (s *service) peer(name string) heartbeat.Peer {
	for _, p := range s.Peers() {
		if p.Name == named(name) {
			return p
		}
	}
	return heartbeat.Peer{}
}

// sendBeats sends n beats from an end, 100 ms apart, beginning with the number
// first, and waits 100 ms after each.
func sendBeats(conn *labtest.PacketEnd, name string, incarnation, first uint32, n int) {
	for i := range uint32(n) {
		conn.Write(beat(name, incarnation, first+i))
		time.Sleep(ms(100))
	}
}

// trial runs f with a monitor, on fake time and the network n.
func trial(t *labtest.T, n *labtest.PacketNet, f func(s *service), configure ...func(*heartbeat.Monitor)) {
	t.Helper()
	t.FakeTime(func() {
		defer n.Close()
		s := monitor(n, configure...)
		defer s.stop()
		f(s)
	})
}

func TestCrashIsToldOnce(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("monitor")
	t.Needs(1, 3)
	n := network(t)
	var s *service
	var crashed time.Time
	trial(t, n, func(running *service) {
		s = running
		sendBeats(n.Dial("alice", s.conn.AddrPort()), "alice", 1, 0, 20)
		crashed = time.Now().Add(ms(-100))
		time.Sleep(10 * time.Second)
	})
	if got := s.changes("alice"); got != "alive, suspect, dead" {
		t.Broken("alice beat for 2 s and was silent for 10 s. The monitor told: %s; expected alive, suspect, dead, each once.", got)
	}
	before := heartbeat.Unknown
	for _, e := range s.events {
		if e.From != before || e.Incarnation != 1 || e.Addr.Addr() != n.Addr("alice").Addr() {
			t.Broken("The monitor told that alice (incarnation %d, from %v) became %v and had been %v; expected incarnation 1, the address that alice has, and %v.", e.Incarnation, e.Addr, e.To, e.From, before)
		}
		before = e.To
	}
	for i, want := range map[int]time.Duration{1: ms(500), 2: ms(1500)} {
		if took := s.events[i].Time.Sub(crashed); took < want || took > want+ms(40) {
			t.Broken("Where %v of silence make somebody %v and is looked at every 20 ms, alice became it %v after the last beat.", want, s.events[i].To, took)
		}
	}
}

func TestManyAreWatchedOnABadNetwork(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("monitor")
	t.Needs(1, 3)
	for _, network := range []struct {
		name   string
		faults []labtest.PacketFault
	}{
		{"without faults", nil},
		{"that doubles and reorders", []labtest.PacketFault{labtest.Duplicate(0.5), labtest.Reorder(0.3, ms(250)), labtest.Latency(ms(5), ms(95))}},
		{"that loses a tenth", []labtest.PacketFault{labtest.Lose(0.1), labtest.Latency(ms(5), ms(25))}},
		{"that loses half", []labtest.PacketFault{labtest.Lose(0.5), labtest.Latency(ms(5), ms(25))}},
	} {
		n := t.PacketNet("network "+network.name, network.faults...)
		const peers = 10
		var s *service
		losses := 0.0
		trial(t, n, func(running *service) {
			s = running
			var all sync.WaitGroup
			for i := range peers {
				name := fmt.Sprint("peer", i)
				conn := n.Dial(name, s.conn.AddrPort())
				all.Go(func() {
					if i%2 == 0 {
						sendBeats(conn, name, 1, 0, 150) // and then it crashes
						time.Sleep(36 * time.Second)
						return
					}
					sendBeats(conn, name, 1, 0, 510)
				})
			}
			all.Wait()
			for _, p := range s.Peers() {
				losses += p.Stats.Loss() / peers
			}
		}, func(m *heartbeat.Monitor) {
			// Ten seconds: 100 beats in a row are never lost.
			m.NewDetector = func(now time.Time) heartbeat.Detector {
				return &plain{now, 1.0 / 20}
			}
		})
		for i := range peers {
			want := "alive"
			if i%2 == 0 {
				want = "alive, suspect, dead"
			}
			if got := s.changes(fmt.Sprint("peer", i)); got != want {
				t.Broken("On a network %s a peer %s, and the monitor told: %s; expected %s.", network.name, map[bool]string{true: "crashed", false: "beat all the time"}[i%2 == 0], got, want)
			}
		}
		want := map[string]float64{"that loses a tenth": 0.1, "that loses half": 0.5}[network.name]
		if losses < want-0.05 || losses > want+0.05 {
			t.Broken("On a network %s the monitor saw a loss of %.0f %% on average; expected %.0f %%.", network.name, 100*losses, 100*want)
		}
	}
}

func TestGoodbyeIsNoDeath(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("monitor")
	t.Needs(1, 3)
	bye := func(incarnation, seq uint32) []byte { return raw(key, heartbeat.Bye, incarnation, seq, 0, "alice") }
	// Of alice's beats every second one is late: 0, 2, …, 18 have arrived.
	for _, c := range []struct {
		then string
		sent [][]byte
		want string
	}{
		{"She said goodbye three times (20)", [][]byte{bye(1, 20), bye(1, 20), bye(1, 20)}, "alive, left"},
		{"She said goodbye (20), and a beat came that was on its way for longer (19)", [][]byte{bye(1, 20), beat("alice", 1, 19)}, "alive, left"},
		{"She said goodbye (20), and her last beat (18) came once more", [][]byte{bye(1, 20), beat("alice", 1, 18)}, "alive, left"},
		{"She said goodbye (20), and another beat of the same incarnation came (21)", [][]byte{bye(1, 20), beat("alice", 1, 21)}, "alive, left"},
		{"She said goodbye (20), and came again in incarnation 2", [][]byte{bye(1, 20), beat("alice", 2, 0)}, "alive, left, alive, suspect, dead"},
		{"She said goodbye (20), came again in incarnation 2, and a copy of the goodbye of incarnation 1 came (20)", [][]byte{bye(1, 20), beat("alice", 2, 0), bye(1, 20)}, "alive, left, alive, suspect, dead"},
		{"She came again in incarnation 2, and then a goodbye of incarnation 1 came (20)", [][]byte{beat("alice", 2, 0), bye(1, 20)}, "alive, alive, suspect, dead"},
		{"She sent beat 20, and a goodbye came with a lower number (19)", [][]byte{beat("alice", 1, 20), bye(1, 19)}, "alive, suspect, dead"},
	} {
		n := network(t)
		var s *service
		trial(t, n, func(running *service) {
			s = running
			alice := n.Dial("alice", s.conn.AddrPort())
			for seq := uint32(0); seq < 20; seq += 2 {
				sendBeats(alice, "alice", 1, seq, 1)
			}
			for _, datagram := range c.sent {
				alice.Write(datagram)
				time.Sleep(ms(50)) // time enough to be judged
			}
			time.Sleep(10 * time.Second)
		})
		if got := s.changes("alice"); got != c.want {
			t.Broken("alice sent the beats 0, 2, …, 18 of incarnation 1. %s. For 10 s nothing more came. The monitor told: %s; expected %s.", c.then, got, c.want)
		}
	}
}

func TestRestartIsANewLife(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("monitor")
	t.Needs(1, 3)
	n := network(t)
	var s *service
	var p heartbeat.Peer
	var old, elsewhere netip.AddrPort
	trial(t, n, func(running *service) {
		s = running
		alice := n.Dial("alice", s.conn.AddrPort())
		old = alice.AddrPort()
		sendBeats(alice, "alice", 1, 1000, 10)
		again := n.Dial("alice", s.conn.AddrPort()) // another port
		elsewhere = again.AddrPort()
		sendBeats(again, "alice", 2, 0, 10)
		p = s.peer("alice")
	})
	if old == elsewhere || p.Incarnation != 2 || p.State != alive || p.Addr != elsewhere || p.Stats.Received != 10 || p.Stats.Lost() != 0 {
		t.Broken("alice beat 10 times with the numbers 1000 to 1009, was restarted, and beat 10 times from another port with the numbers 0 to 9. The monitor knows her as %v, incarnation %d, from %v, with %d beats of which %d came; expected alive, incarnation 2, from %v, 10 of 10.", p.State, p.Incarnation, p.Addr, p.Stats.Expected, p.Stats.Received, elsewhere)
	}
	if c := s.Counters(); c.Accepted != 20 || c.Total() != 20 {
		t.Broken("alice beat 10 times, was restarted, and beat 10 times more. Of %d datagrams the monitor accepted %d; expected 20 of 20.", c.Total(), c.Accepted)
	}
	if got := s.changes("alice"); got != "alive, alive" {
		t.Broken("alice came, and was restarted. The monitor told: %s; expected alive, and alive again in the next incarnation.", got)
	}
	if e := s.events[1]; e.From != alive || e.Incarnation != 2 {
		t.Broken("alice was restarted, and the monitor told that she had been %v and has incarnation %d; expected alive, and 2.", e.From, e.Incarnation)
	}
}

func TestReplayKeepsNobodyAlive(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("monitor")
	t.Needs(1, 3)
	// Of alice's beats every second one is lost: 100, 102, …, 496 arrive.
	for what, replayed := range map[string]func(i uint32) []byte{
		"her last beat, over and over":     func(uint32) []byte { return beat("alice", 2, 496) },
		"her beats, one after the other":   func(i uint32) []byte { return beat("alice", 2, 100+2*i) },
		"beats of hers that had been lost": func(i uint32) []byte { return beat("alice", 2, 495-2*(i%30)) },
		"beats of her earlier incarnation": func(i uint32) []byte { return beat("alice", 1, 10_000+i) },
	} {
		n := network(t)
		var s *service
		var last time.Time
		trial(t, n, func(running *service) {
			s = running
			alice := n.Dial("alice", s.conn.AddrPort())
			sendBeats(alice, "alice", 1, 0, 1)
			for i := range uint32(199) {
				sendBeats(alice, "alice", 2, 100+2*i, 1)
			}
			last = time.Now().Add(-ms(100))
			for i := range uint32(100) { // she has crashed, and somebody at her address sends
				alice.Write(replayed(i))
				time.Sleep(ms(100))
			}
		})
		if got := s.changes("alice"); got != "alive, alive, suspect, dead" {
			t.Broken("alice crashed, and for 10 s somebody sent %s. The monitor told: %s; expected alive, alive (a restart), suspect, dead.", what, got)
		}
		if took := s.events[2].Time.Sub(last); took > ms(540) {
			t.Broken("alice crashed, and for 10 s somebody sent %s. Where 500 ms of silence make suspect, she became it %v after her last beat: what is not fresh is no sign of life.", what, took)
		}
		if c := s.Counters(); c.Replayed < 70 || c.Total() != 300 || c.Accepted+c.Replayed != 300 {
			t.Broken("alice crashed after 200 beats, and for 10 s somebody sent %s, 100 times. The monitor counted: %s; expected 300 in all, of which 70 at least were replayed.", what, tally(c))
		}
	}
}

func TestOtherSourceDoesNothing(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("monitor")
	t.Needs(1, 3)
	n := network(t)
	var s *service
	var p heartbeat.Peer
	var answered bool
	trial(t, n, func(running *service) {
		s = running
		alice, mallory := n.Dial("alice", s.conn.AddrPort()), n.Dial("mallory", s.conn.AddrPort())
		sendBeats(alice, "alice", 1, 0, 10)
		// He has recorded beats that never arrived, and a goodbye.
		sendBeats(mallory, "alice", 1, 10, 30)
		mallory.Write(raw(key, heartbeat.Bye, 1, 50, 0, "alice"))
		time.Sleep(ms(100))
		mallory.SetReadDeadline(time.Now().Add(time.Second))
		_, err := mallory.Read(make([]byte, 100))
		answered = err == nil
		p = s.peer("alice")
	})
	if p.Stats.Received != 10 || p.Addr.Addr() != n.Addr("alice").Addr() {
		t.Broken("alice beat 10 times; then beats of hers came from another address. The monitor knows her with %d beats, from %v; expected 10, from %v.", p.Stats.Received, p.Addr, n.Addr("alice").Addr())
	}
	if got := s.changes("alice"); got != "alive, suspect, dead" {
		t.Broken("alice crashed, and beats of hers and a goodbye came from another address. The monitor told: %s; expected alive, suspect, dead.", got)
	}
	if c := s.Counters(); c.WrongSource != 31 || c.Accepted != 10 {
		t.Broken("31 datagrams of alice came from another address than hers, and the monitor counted %d from a wrong source and accepted %d; expected 31 and 10.", c.WrongSource, c.Accepted)
	}
	if answered {
		t.Broken("A beat of alice that came from another address was answered, to that address.")
	}
}

func TestHostileDatagramsAreCounted(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("monitor")
	t.Needs(1, 3)
	n := network(t)
	var got heartbeat.Counters
	var peers int
	good := beat("alice", 1, 1)
	version2 := append([]byte{'H', 'B', 2}, good[3:]...)
	trial(t, n, func(s *service) {
		mallory := n.Dial("mallory", s.conn.AddrPort())
		for _, b := range [][]byte{
			nil, []byte("hello"), version2, good[:20], append(slices.Clone(good), 0), make([]byte, 1000), // foreign: 6
			raw(otherKey, heartbeat.Beat, 1, 1, 0, "alice"), raw(nil, heartbeat.Bye, 1, 1, 0, "alice"), // forged: 2
			raw(key, 9, 1, 1, 0, "alice"), raw(key, heartbeat.Beat, 1, 1, 0, "\x1b[2J"), raw(key, heartbeat.Ack, 1, 1, 0, "alice"), // malformed: 3
		} {
			mallory.Write(b)
		}
		time.Sleep(time.Second)
		got, peers = s.Counters(), len(s.Peers())
	})
	if want := (heartbeat.Counters{Foreign: 6, Forged: 2, Malformed: 3}); got != want {
		t.Broken("Of 11 hostile datagrams 6 were foreign, 2 forged and 3 malformed. The monitor counted: %s; expected: %s.", tally(got), tally(want))
	}
	if peers != 0 {
		t.Broken("11 hostile datagrams came, and the monitor knows %d peers; expected none.", peers)
	}
}

func tally(c heartbeat.Counters) string {
	return fmt.Sprintf("%d accepted, %d foreign, %d forged, %d malformed, %d replayed, %d from a wrong source, %d refused",
		c.Accepted, c.Foreign, c.Forged, c.Malformed, c.Replayed, c.WrongSource, c.Refused)
}

func TestFloodOfNamesIsBounded(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("monitor")
	t.Needs(1, 3)
	n := network(t)
	var c heartbeat.Counters
	var peers int
	var hers heartbeat.Peer
	trial(t, n, func(s *service) {
		alice, mallory := n.Dial("alice", s.conn.AddrPort()), n.Dial("mallory", s.conn.AddrPort())
		sendBeats(alice, "alice", 1, 0, 2)
		for i := range 1000 {
			mallory.Write(beat(fmt.Sprint("flood", i), 1, 0))
			if i%100 == 0 {
				time.Sleep(ms(1))
			}
		}
		sendBeats(alice, "alice", 1, 2, 2)
		alice.Write(beat("alice", 2, 0)) // known, and restarted
		time.Sleep(ms(20))
		c, peers, hers = s.Counters(), len(s.Peers()), s.peer("alice")
	}, func(m *heartbeat.Monitor) { m.MaxPeers = 10 })
	if peers != 10 {
		t.Broken("Where 10 peers are the most, beats of 1001 names came, and the monitor knows %d peers; expected 10.", peers)
	}
	if c.Refused != 991 || c.Accepted != 9+5 {
		t.Broken("Where 10 peers are the most, beats of 1001 names came, alice's first. The monitor counted: %s; expected 14 accepted, 991 refused.", tally(c))
	}
	if hers.State != alive || hers.Incarnation != 2 {
		t.Broken("alice was known before a flood of names, and restarted after it. The monitor knows her as %v, incarnation %d; expected alive, 2.", hers.State, hers.Incarnation)
	}
}

func TestWhoIsGoneMakesRoom(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("monitor")
	t.Needs(1, 3)
	n := network(t)
	var early, late, silent []heartbeat.Peer
	var told string
	trial(t, n, func(s *service) {
		alice, bob := n.Dial("alice", s.conn.AddrPort()), n.Dial("bob", s.conn.AddrPort())
		alice.Write(beat("alice", 1, 0))
		bob.Write(beat("bob", 1, 0))
		bob.Write(raw(key, heartbeat.Bye, 1, 1, 0, "bob"))
		time.Sleep(9 * time.Second) // bob left 9 s ago, alice is dead for 7.5 s
		early = s.Peers()
		time.Sleep(1200 * time.Millisecond) // 10.2 s, 8.7 s
		late = s.Peers()
		time.Sleep(1500 * time.Millisecond)
		silent = s.Peers()
		alice.Write(beat("alice", 2, 0))
		time.Sleep(ms(100))
		told = s.changes("alice")
	}, func(m *heartbeat.Monitor) { m.ForgetAfter = 10 * time.Second })
	if len(early) != 2 || len(late) != 1 || late[0].Name != named("alice") || len(silent) != 0 {
		t.Broken("Where peers are forgotten 10 s after they are gone, bob left and alice died 1.5 s later. After 9 s the monitor knew %d of them, after 10.2 s %d, after 11.7 s %d; expected 2, 1, 0.", len(early), len(late), len(silent))
	}
	if told != "alive, suspect, dead, alive" {
		t.Broken("alice died, was forgotten, and came again. The monitor told: %s; expected alive, suspect, dead, alive.", told)
	}
}

func TestFreshBeatIsAnswered(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("monitor")
	t.Needs(1, 3)
	n := network(t)
	var answers []seen
	trial(t, n, func(s *service) {
		alice := n.Dial("alice", s.conn.AddrPort())
		for _, b := range [][]byte{
			beat("alice", 3, 5), beat("alice", 3, 5), beat("alice", 3, 7), beat("alice", 3, 6), // duplicate, late
			raw(otherKey, heartbeat.Beat, 3, 8, 0, "alice"), beat("alice", 2, 9), beat("alice", 3, 10), raw(key, heartbeat.Bye, 3, 11, 0, "alice"),
		} {
			alice.Write(b)
			time.Sleep(ms(10))
		}
		alice.SetReadDeadline(time.Now().Add(time.Second))
		for buf := make([]byte, 2048); ; {
			size, err := alice.Read(buf)
			if err != nil {
				return
			}
			got, _ := read(buf[:size])
			answers = append(answers, got)
		}
	})
	var numbers []uint32
	for _, a := range answers {
		numbers = append(numbers, a.seq)
		if a.typ != heartbeat.Ack || a.name != "alice" || a.incarnation != 3 {
			t.Broken("Beat %d of alice, incarnation 3, was answered with a %v of %q, incarnation %d; expected an ack of hers.", a.seq, a.typ, a.name, a.incarnation)
		}
	}
	if !slices.Equal(numbers, []uint32{5, 7, 10}) {
		t.Broken("Of alice came 5, 5 again, 7, 6 late, a forged 8, 9 of an earlier incarnation, 10, and the goodbye 11. Answered were: %s; expected 5, 7, 10.", list(numbers))
	}
}

func TestPeersAreASnapshot(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("monitor")
	t.Needs(1, 3)
	n := network(t)
	var peers, again []heartbeat.Peer
	var last time.Time
	trial(t, n, func(s *service) {
		for _, name := range []string{"zoe", "bob", "alice", "al"} {
			conn := n.Dial(name, s.conn.AddrPort())
			conn.Write(beat(name, 1, 0))
			conn.Write(raw(key, heartbeat.Beat, 1, 4, 1500, name))
		}
		time.Sleep(ms(10))
		last = time.Now()
		peers = s.Peers()
		time.Sleep(5 * time.Second)
		again = s.Peers()
	})
	var names []string
	for _, p := range peers {
		names = append(names, p.Name.String())
		if p.State != alive || p.RTT != 1500*time.Microsecond || p.Stats.Lost() != 3 || last.Sub(p.LastBeat) > ms(10) || last.Sub(p.Since) > ms(10) {
			t.Broken("Of %v came beats 0 and 4, the second with an RTT of 1.5 ms. The peer is %v, has an RTT of %v and lost %d; expected alive, 1.5ms, 3, all of it 10 ms ago.", p.Name, p.State, p.RTT, p.Stats.Lost())
		}
	}
	if got := strings.Join(names, ", "); got != "al, alice, bob, zoe" {
		t.Broken("The peers zoe, bob, alice and al are listed as: %s; expected them in the order of their names.", got)
	}
	if len(again) != 4 {
		t.Broken("Four peers died 5 s ago, and the monitor lists %d; expected 4, until they are forgotten.", len(again))
	}
	if again[0].State != dead || peers[0].State != alive {
		t.Broken("al was alive in a snapshot and died 5 s later: the old snapshot says %v, a new one %v; expected alive and dead.", peers[0].State, again[0].State)
	}
}

func TestSlowListenerHoldsUpNobody(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("monitor")
	t.Needs(1, 3)
	// On real time: who waits for a lock does not count as waiting on fake time.
	n := network(t)
	called, goOn := make(chan struct{}), make(chan struct{})
	var once sync.Once
	s := monitor(n, func(m *heartbeat.Monitor) {
		m.NewDetector = func(now time.Time) heartbeat.Detector { return &plain{now, 0.001} }
		m.OnEvent = func(heartbeat.Event) { once.Do(func() { close(called) }); <-goOn }
	})
	alice := n.Dial("alice", s.conn.AddrPort())
	answered := func(seq uint32) bool {
		alice.Write(beat("alice", 1, seq))
		alice.SetReadDeadline(time.Now().Add(labtest.Patience))
		_, err := alice.Read(make([]byte, 100))
		return err == nil
	}
	if !answered(0) {
		close(goOn)
		t.Broken("Beat 0 of alice was not answered within 2 s.")
	}
	t.Returns("Calling OnEvent, because alice is there,", func() { <-called })
	for seq := range uint32(5) {
		if !answered(seq + 1) {
			close(goOn)
			t.Broken("OnEvent was called because alice is there, and had not returned yet. Meanwhile beat %d of alice was not answered within 2 s.", seq+1)
		}
	}
	t.Returns("Peers, called while OnEvent is at work,", func() { s.Peers() })
	close(goOn)
	t.Returns("Run, after its context has ended,", func() { s.stop() })
	n.Close()
}

func TestPartitionHeals(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("monitor")
	t.Needs(1, 3)
	n := network(t)
	var s *service
	var apart, together []heartbeat.Peer
	trial(t, n, func(running *service) {
		s = running
		var all sync.WaitGroup
		for i := range 5 {
			name := fmt.Sprint("peer", i)
			conn := n.Dial(name, s.conn.AddrPort())
			all.Go(func() { sendBeats(conn, name, 1, 0, 300) })
		}
		time.Sleep(5 * time.Second)
		n.Partition("monitor", "peer0")
		time.Sleep(10 * time.Second)
		apart = s.Peers()
		n.Heal()
		time.Sleep(5 * time.Second)
		together = s.Peers()
		all.Wait()
	})
	if len(apart) != 5 || len(together) != 5 {
		t.Broken("Of 5 peers the monitor listed %d while 4 of them were cut off, and %d after that; expected 5.", len(apart), len(together))
	}
	for i, p := range apart {
		want := dead
		if i == 0 {
			want = alive
		}
		if p.State != want || together[i].State != alive {
			t.Broken("peer1 to peer4 were cut off for 10 s, and peer0 was not. Meanwhile %v was %v, and 5 s afterwards %v; expected %v, then alive.", p.Name, p.State, together[i].State, want)
		}
	}
	if got := s.changes("peer1"); !strings.HasPrefix(got, "alive, suspect, dead, alive") {
		t.Broken("peer1 was cut off for 10 s. The monitor told: %s; expected alive, suspect, dead, alive.", got)
	}
}

func TestMonitorStopsAndLeavesNothing(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("monitor")
	t.Needs(1, 3)
	t.NoLeaks()
	n := network(t)
	var ended error
	var took time.Duration
	var s *service
	t.FakeTime(func() {
		defer n.Close()
		s = monitor(n)
		alice := n.Dial("alice", s.conn.AddrPort())
		sendBeats(alice, "alice", 1, 0, 3)
		time.Sleep(ms(5)) // between two looks
		alice.Write(raw(key, heartbeat.Bye, 1, 3, 0, "alice"))
		time.Sleep(ms(1))
		began := time.Now()
		ended = s.stop()
		took = time.Since(began)
	})
	if !errors.Is(ended, context.Canceled) || took > ms(20) {
		t.Broken("Run's context ended, and %v later it returned %v; expected %v, at once.", took, ended, context.Canceled)
	}
	if got := s.changes("alice"); got != "alive, left" {
		t.Broken("alice came and left just before the monitor was stopped. It told: %s; expected alive, left, before Run returns.", got)
	}
	// Its socket fails, and nobody has told it to stop.
	broken := &heartbeat.Monitor{Key: key}
	t.Returns("Run, on a socket of which every read fails,", func() {
		if err := broken.Run(context.Background(), &feed{last: errBroken}); !errors.Is(err, errBroken) {
			t.Errorf("Every read of its socket failed with %q, and Run returned %v; expected that error.", errBroken, err)
		}
	})
}

func TestKnownPeersTakeNoMemory(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("monitor")
	t.Needs(1, 3)
	const many = 2000
	conn := newBeating(many)
	m := &heartbeat.Monitor{Key: key, Tick: time.Hour}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	var before, after runtime.MemStats
	t.Returns("Run, which is given many beats and then told to stop,", func() {
		ran := make(chan error, 1)
		go func() { ran <- m.Run(ctx, conn) }()
		conn.read(many / 2)
		runtime.ReadMemStats(&before)
		conn.read(many / 2)
		runtime.ReadMemStats(&after)
		cancel()
		<-ran
	})
	if each := float64(after.Mallocs-before.Mallocs) / (many / 2); each > 0.05 {
		t.Broken("Receiving and answering a beat of a peer that is known took memory %.2f times; expected none.", each)
	}
}

func TestMonitorWatchesRealSenders(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Subject("monitor")
	t.Needs(1, 2, 3)
	t.NoLeaks()
	conn := udp(t)
	events := make(chan heartbeat.Event, 100)
	m := &heartbeat.Monitor{Key: key, Tick: ms(5), OnEvent: func(e heartbeat.Event) { events <- e }}
	m.NewDetector = func(now time.Time) heartbeat.Detector { return &plain{now, 3} }
	ctx, cancel := context.WithCancel(context.Background())
	ran := make(chan error, 1)
	go func() { ran <- m.Run(ctx, conn) }()
	next := func(name string, want heartbeat.State) {
		t.Helper()
		deadline := time.After(labtest.Patience)
		for {
			select {
			case e := <-events:
				if e.Name == named(name) && e.To == want {
					return
				}
			case <-deadline:
				t.Broken("Over real sockets %s did not become %v within 2 s.", name, want)
			}
		}
	}
	alice, bob := newSender("alice"), newSender("bob")
	alice.Interval, bob.Interval = ms(20), ms(20)
	aliceConn, bobConn := dialUDP(t, addrOf(conn)), dialUDP(t, addrOf(conn))
	stopAlice := runs(alice, aliceConn)
	next("alice", alive)
	stopBob := runs(bob, bobConn)
	next("bob", alive)
	t.Eventually("That alice's round-trip time reaches the monitor", func() bool {
		peers := m.Peers()
		return len(peers) > 0 && (peers[0].RTT > 0 || alice.RTT() == 0)
	})
	t.Returns("Run of the sender bob", func() { stopBob() })
	next("bob", heartbeat.Left)
	aliceConn.Close() // alice crashes
	next("alice", suspect)
	next("alice", dead)
	cancel()
	t.Returns("Run of the monitor, after its context has ended,", func() { <-ran })
	t.Returns("Run of the sender alice, whose socket is closed,", func() { stopAlice() })
}

// A beating is a conn on which beats come, each with the next number.
type beating struct {
	datagrams [][]byte
	next      int
	allowed   chan int      // how many may be read now
	asked     chan struct{} // has a value when all of them have been
	now       int
	stop      sync.Once
	late      chan struct{} // closed when the read deadline has passed
}

func newBeating(n int) *beating {
	f := &beating{allowed: make(chan int), asked: make(chan struct{}), late: make(chan struct{})}
	for seq := range uint32(n) {
		f.datagrams = append(f.datagrams, beat("alice", 1, seq))
	}
	return f
}

// read lets n beats be read and handled.
func (f *beating) read(n int) {
	f.allowed <- n
	<-f.asked
}

func (f *beating) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	for f.now == 0 {
		if f.next > 0 {
			select {
			case f.asked <- struct{}{}: // the one before has been handled
			case <-f.late:
				return 0, netip.AddrPort{}, errTimeout
			}
		}
		select {
		case f.now = <-f.allowed:
		case <-f.late:
			return 0, netip.AddrPort{}, errTimeout
		}
	}
	f.now--
	f.next++
	return copy(b, f.datagrams[f.next-1]), stranger, nil
}

func (f *beating) WriteToUDPAddrPort(b []byte, _ netip.AddrPort) (int, error) { return len(b), nil }
func (f *beating) SetReadDeadline(t time.Time) error {
	if !t.IsZero() && !t.After(time.Now()) {
		f.stop.Do(func() { close(f.late) })
	}
	return nil
}
