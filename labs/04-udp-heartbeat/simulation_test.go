package udpheartbeat_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	heartbeat "workbook.example/labs/04-udp-heartbeat"
)

// Here detectors are measured, on a network and in a time that are both made up:
// a day takes a part of a second. The numbers come from a fixed seed, so that
// they are the same each time, and the same for two detectors that do the same.

// A delay is how long a datagram is on its way.
type delay func(r *rand.Rand) time.Duration

// calm is a network without much traffic: 5 to 25 ms.
func calm(r *rand.Rand) time.Duration { return ms(5) + time.Duration(r.Int64N(int64(ms(20)))) }

// restless is one with a lot of it: 80 ms, give or take 50, with a tail, and
// datagrams that overtake each other.
func restless(r *rand.Rand) time.Duration {
	return max(ms(1), ms(80)+time.Duration(r.NormFloat64()*float64(ms(50))))
}

// figures are what a detector did.
type figures struct {
	days     float64
	mistakes int             // times that somebody alive was suspected
	deaths   int             // times that somebody alive was called dead
	found    []time.Duration // how long after each crash it was suspected
	declared []time.Duration // how long after each crash it was called dead
}

// quantile is the time within which a part of the crashes was found.
func (f figures) quantile(part float64) time.Duration { return quantile(f.found, part) }

func quantile(all []time.Duration, part float64) time.Duration {
	if len(all) == 0 {
		return 0
	}
	slices.Sort(all)
	return all[min(len(all)-1, int(part*float64(len(all))))]
}

// every is how often a detector is asked, as a Monitor does.
const every = heartbeat.DefaultTick

func timeoutFor(after time.Duration) func(time.Time) heartbeat.Detector {
	return func(now time.Time) heartbeat.Detector {
		return heartbeat.NewTimeout(heartbeat.TimeoutConfig{SuspectAfter: after, DeadAfter: 3 * after}, now)
	}
}

// phiFor is a Phi for a network that loses datagrams: its Pause is for them.
func phiFor(pause time.Duration) func(time.Time) heartbeat.Detector {
	return func(now time.Time) heartbeat.Detector {
		return heartbeat.NewPhi(heartbeat.PhiConfig{Interval: ms(100), DeadAfter: 3 * time.Second, MinDeviation: ms(10), Pause: pause}, now)
	}
}

// observed lets a detector watch a sender with an interval of 100 ms for some
// days, and then watch it crash some times.
func observed(detector func(time.Time) heartbeat.Detector, loss float64, on delay, days float64, crashes int) figures {
	f := figures{days: days}
	r := rand.New(rand.NewPCG(4, uint64(loss*1000)))
	const interval = 100 * time.Millisecond
	f.mistakes, f.deaths, _, _ = follow(detector, r, loss, on, time.Duration(days*float64(24*time.Hour)), 0)
	for range crashes {
		warm := 22*time.Second + time.Duration(r.Int64N(int64(interval)))
		_, _, found, declared := follow(detector, r, loss, on, warm, time.Minute)
		f.found, f.declared = append(f.found, found), append(f.declared, declared)
	}
	return f
}

// follow lets a detector watch a sender for a time, and then its silence. It
// returns how often the sender was suspected and called dead while it beat, and
// how long after the end of that it was.
func follow(detector func(time.Time) heartbeat.Detector, r *rand.Rand, loss float64, on delay, beating, silent time.Duration) (mistakes, deaths int, found, declared time.Duration) {
	const interval = 100 * time.Millisecond
	start := time.Now()
	d := detector(start)
	state := heartbeat.Alive
	var under []onItsWay // the last to arrive first
	fresh := -1          // the highest number that has come
	sent := 0
	heard, asked := time.Duration(0), time.Duration(0)
	tick := time.Duration(r.Int64N(int64(every)))
	for end := beating + silent; tick < end; tick += every {
		for ; time.Duration(sent)*interval <= tick && time.Duration(sent)*interval < beating; sent++ {
			lost, took := r.Float64() < loss, on(r)
			if !lost {
				under = append(under, onItsWay{time.Duration(sent)*interval + took, sent})
				for i := len(under) - 1; i > 0 && under[i].at > under[i-1].at; i-- {
					under[i], under[i-1] = under[i-1], under[i]
				}
			}
		}
		for ; len(under) > 0 && under[len(under)-1].at <= tick; under = under[:len(under)-1] {
			if next := under[len(under)-1]; next.seq > fresh {
				fresh, heard = next.seq, next.at
				d.Heartbeat(start.Add(next.at))
			}
		}
		// While beats come nothing can change: then it is asked now and then only.
		if tick-heard < 2*interval && tick-asked < interval && tick < beating {
			continue
		}
		asked = tick
		was := state
		state = d.Check(start.Add(tick))
		if tick >= beating {
			if (state == heartbeat.Suspect || state == heartbeat.Dead) && found == 0 {
				found = tick - beating
			}
			if state == heartbeat.Dead {
				return mistakes, deaths, found, tick - beating
			}
			continue
		}
		if state == heartbeat.Suspect && was == heartbeat.Alive {
			mistakes++
		}
		if state == heartbeat.Dead && was != heartbeat.Dead {
			deaths++
		}
	}
	if found == 0 {
		found = silent // not at all
	}
	return mistakes, deaths, found, silent
}

type onItsWay struct {
	at  time.Duration
	seq int
}

// members is how large the group is in which SWIM is measured.
const members = 5

// swim is how the group probes: a question, and then three others, must have
// time to come back in a period.
var swim = heartbeat.SwimConfig{Period: ms(200), ProbeTimeout: ms(60), Helpers: 3, SuspectFor: ms(1200)}

// group watches a group for some days, and then some of its crashes. What it
// counts is for one member, so that it compares with what one sender is to a
// Monitor: found and declared is when the first of the others takes it for
// suspect and for dead.
func grouped(loss float64, on delay, days float64, crashes int) figures {
	f := figures{days: days * members}
	r := rand.New(rand.NewPCG(7, uint64(loss*1000)))
	count := func(c *cluster) {
		told := map[heartbeat.Update]bool{}
		c.watch = func(c *cluster, who heartbeat.Name) {
			for _, name := range c.names {
				state, incarnation := c.members[who].State(name)
				if state == heartbeat.Alive || told[heartbeat.Update{Name: name, State: state, Incarnation: incarnation}] {
					continue
				}
				told[heartbeat.Update{Name: name, State: state, Incarnation: incarnation}] = true
				if state == heartbeat.Suspect {
					f.mistakes++
				} else {
					f.deaths++
				}
			}
		}
	}
	c := newCluster(r, group(members), swim)
	c.loss, c.on = loss, on
	count(c)
	c.run(time.Duration(days * float64(24*time.Hour)))
	for range crashes {
		c := newCluster(r, group(members), swim)
		c.loss, c.on = loss, on
		c.run(2*time.Second + time.Duration(r.Int64N(int64(swim.Period))))
		var found, declared time.Duration
		crashed := c.now
		c.gone[m1] = true
		c.watch = func(c *cluster, who heartbeat.Name) {
			state, _ := c.members[who].State(m1)
			if state != heartbeat.Alive && found == 0 {
				found = c.now.Sub(crashed)
			}
			if state == heartbeat.Dead && declared == 0 {
				declared = c.now.Sub(crashed)
			}
		}
		for declared == 0 && c.now.Sub(crashed) < time.Minute {
			c.run(ms(20))
		}
		if declared == 0 {
			declared = time.Minute // not at all
		}
		if found == 0 {
			found = declared
		}
		f.found, f.declared = append(f.found, found), append(f.declared, declared)
	}
	return f
}

// BenchmarkDetection says how soon crashes are found, and how often somebody is
// suspected who has not crashed. An iteration is a quarter of a simulated day and
// some crashes; of SWIM, which takes more work, it is a quarter of that. DETECTION_DAYS in the environment makes it as many days, and
// tries more networks.
func BenchmarkDetection(b *testing.B) {
	ms := func(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
	for _, detector := range []struct {
		name    string
		measure func(loss float64, on delay) figures
	}{
		{"timeout", alone(timeoutFor(heartbeat.SuspectAfter(100*time.Millisecond, 0.2, 1)))},
		{"phi", alone(phiFor(0))},
		{"phi+pause", alone(phiFor(450 * time.Millisecond))},
		{"swim", func(loss float64, on delay) figures { return grouped(loss, on, days()/members/4, crashes/2) }},
	} {
		for _, network := range networks() {
			b.Run(fmt.Sprintf("%s/%s/loss=%.0f%%", detector.name, network.name, 100*network.loss), func(b *testing.B) {
				var f figures
				for range b.N {
					f = detector.measure(network.loss, network.on)
				}
				b.ReportMetric(ms(f.quantile(0.5)), "p50-ms")
				b.ReportMetric(ms(f.quantile(0.99)), "p99-ms")
				b.ReportMetric(ms(quantile(f.declared, 0.99)), "dead-p99-ms")
				b.ReportMetric(float64(f.mistakes)/f.days, "mistakes/day")
				b.ReportMetric(float64(f.deaths)/f.days, "deaths/day")
			})
		}
	}
}

// alone measures a detector that watches a sender.
func alone(detector func(time.Time) heartbeat.Detector) func(float64, delay) figures {
	return func(loss float64, on delay) figures { return observed(detector, loss, on, days(), crashes) }
}

// crashes is how often a sender crashes.
const crashes = 400

// days is for how many days a member or a sender is watched that does not crash.
func days() float64 {
	if given, err := strconv.ParseFloat(os.Getenv("DETECTION_DAYS"), 64); err == nil && given > 0 {
		return given
	}
	return 0.25
}

type lossy struct {
	name string
	loss float64
	on   delay
}

// networks are those on which detectors are measured.
func networks() []lossy {
	if os.Getenv("DETECTION_DAYS") == "" {
		return []lossy{{"calm", 0, calm}, {"calm", 0.2, calm}, {"calm", 0.5, calm}}
	}
	var all []lossy
	for _, loss := range []float64{0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5} {
		all = append(all, lossy{"calm", loss, calm})
	}
	return append(all, lossy{"restless", 0, restless}, lossy{"restless", 0.2, restless})
}

// BenchmarkReceive reads and decodes a beat.
func BenchmarkReceive(b *testing.B) {
	conn := &feed{items: []item{{b: beat("alice", 1, 1)}}, again: b.N - 1, last: net.ErrClosed}
	codec, handled := heartbeat.NewCodec(key), 0
	b.ReportAllocs()
	b.ResetTimer()
	err := heartbeat.Receive(context.Background(), conn, codec, func(heartbeat.Arrival) { handled++ })
	if handled < b.N {
		b.Skip(err)
	}
}

// BenchmarkCodec makes a datagram and reads it.
func BenchmarkCodec(b *testing.B) {
	codec := heartbeat.NewCodec(key)
	buf, packet := make([]byte, 0, heartbeat.MaxPacket), heartbeat.Packet{Type: heartbeat.Beat, Name: named("alice")}
	b.ReportAllocs()
	for range b.N {
		datagram, err := codec.Append(buf, packet)
		if err != nil {
			b.Skip(err)
		}
		if _, err := codec.Decode(datagram); err != nil {
			b.Skip(err)
		}
	}
}
