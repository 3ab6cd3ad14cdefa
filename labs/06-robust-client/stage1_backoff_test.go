package robustclient_test

import (
	"container/heap"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	robustclient "workbook.example/labs/06-robust-client"
	"workbook.example/tools/labtest"
)

// What chance can do at most: lowest and highest are Randoms that always give
// the least and the greatest number.
func lowest(int64) int64    { return 0 }
func highest(n int64) int64 { return n - 1 }

var jitters = []struct {
	name string
	kind robustclient.Jitter
}{
	{"NoJitter", robustclient.NoJitter},
	{"EqualJitter", robustclient.EqualJitter},
	{"FullJitter", robustclient.FullJitter},
	{"DecorrelatedJitter", robustclient.DecorrelatedJitter},
}

// count is 1 failure, or 2 failures.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

// hair is how far a bound may be missed by: whether it is included is not what
// these laws are about.
const hair = time.Microsecond

func TestDelayDoublesUpToTheCap(tt *testing.T) {
	t := labtest.Begin(tt)
	const ms = time.Millisecond
	for _, c := range []struct {
		base, cap time.Duration
		want      []time.Duration // after 1, 2, 3, … failures
	}{
		{100 * ms, 5000 * ms, []time.Duration{100 * ms, 200 * ms, 400 * ms, 800 * ms, 1600 * ms, 3200 * ms, 5000 * ms, 5000 * ms}},
		{7 * ms, 100 * ms, []time.Duration{7 * ms, 14 * ms, 28 * ms, 56 * ms, 100 * ms}},
		{100 * ms, 100 * ms, []time.Duration{100 * ms, 100 * ms}},
		{500 * ms, 200 * ms, []time.Duration{200 * ms, 200 * ms}},
	} {
		b := robustclient.Backoff{Base: c.base, Cap: c.cap, Jitter: robustclient.NoJitter}
		var last time.Duration
		for i, want := range c.want {
			got := b.Next(i+1, last)
			if got != want {
				t.Broken("With Base %v and Cap %v, the delay after failure number %d in a row was %v; expected %v.", c.base, c.cap, i+1, got, want)
			}
			last = got
		}
		for _, failures := range []int{0, -3} {
			if got := b.Next(failures, 0); got != c.want[0] {
				t.Broken("With Base %v and Cap %v, the delay after %d failures was %v; less than 1 counts as 1, expected %v.", c.base, c.cap, failures, got, c.want[0])
			}
		}
	}
}

func TestJitterStaysInItsBounds(tt *testing.T) {
	t := labtest.Begin(tt)
	const s = time.Second
	for _, c := range []struct {
		kind      robustclient.Jitter
		name      string
		failures  int
		last      time.Duration
		low, high time.Duration
	}{
		{robustclient.FullJitter, "FullJitter", 1, 0, 0, s},
		{robustclient.FullJitter, "FullJitter", 4, 3 * s, 0, 8 * s},
		{robustclient.FullJitter, "FullJitter", 50, s, 0, 60 * s},
		{robustclient.EqualJitter, "EqualJitter", 1, 0, s / 2, s},
		{robustclient.EqualJitter, "EqualJitter", 4, s, 4 * s, 8 * s},
		{robustclient.EqualJitter, "EqualJitter", 50, s, 30 * s, 60 * s},
		{robustclient.DecorrelatedJitter, "DecorrelatedJitter", 1, 0, s, 3 * s},
		{robustclient.DecorrelatedJitter, "DecorrelatedJitter", 2, s / 2, s, 3 * s},
		{robustclient.DecorrelatedJitter, "DecorrelatedJitter", 2, 2 * s, s, 6 * s},
		{robustclient.DecorrelatedJitter, "DecorrelatedJitter", 50, 2 * s, s, 6 * s},
		{robustclient.DecorrelatedJitter, "DecorrelatedJitter", 2, 40 * s, s, 60 * s},
		{robustclient.NoJitter, "NoJitter", 4, s, 8 * s, 8 * s},
	} {
		for _, end := range []struct {
			chance string
			random func(int64) int64
			want   time.Duration
		}{{"least", lowest, c.low}, {"greatest", highest, c.high}} {
			note := ""
			if c.kind == robustclient.DecorrelatedJitter && c.last < s {
				note = ": a last of less than Base counts as Base"
			}
			b := robustclient.Backoff{Base: s, Cap: 60 * s, Jitter: c.kind, Random: end.random}
			if got := b.Next(c.failures, c.last); (got - end.want).Abs() > hair {
				t.Broken("%s with Base 1s and Cap 1m0s, after %s and a last delay of %v: when Random gives the %s number that it may, the delay is %v; expected %v (it may be from %v to %v%s).",
					c.name, count(c.failures, "failure"), c.last, end.chance, got, end.want, c.low, c.high, note)
			}
		}
	}
}

func TestDelayNeverOverflows(tt *testing.T) {
	t := labtest.Begin(tt)
	failures := []int{-1, 0}
	for n := 1; n < 200; n++ {
		failures = append(failures, n)
	}
	failures = append(failures, 1_000_000, math.MaxInt-1, math.MaxInt)
	for _, jitter := range jitters {
		for _, random := range []func(int64) int64{lowest, highest} {
			for _, base := range []time.Duration{1, 100 * time.Millisecond, 3 * time.Second, math.MaxInt64 / 2, math.MaxInt64} {
				for _, longest := range []time.Duration{30 * time.Second, math.MaxInt64 - 1, math.MaxInt64} {
					for _, last := range []time.Duration{0, longest / 2, longest} {
						asked := int64(1)
						b := robustclient.Backoff{Base: base, Cap: longest, Jitter: jitter.kind, Random: func(n int64) int64 {
							if n < 1 {
								asked = n
								return 0
							}
							return random(n)
						}}
						for _, n := range failures {
							got := b.Next(n, last)
							if got < 0 || got > longest {
								t.Broken("%s with Base %v and Cap %v: the delay after %d failures was %v; expected it between 0 and Cap.", jitter.name, base, longest, n, got)
							}
							if asked < 1 {
								t.Broken("%s with Base %v and Cap %v, after %d failures and a last delay of %v: Random was asked for a number below %d.", jitter.name, base, longest, n, last, asked)
							}
							if jitter.kind == robustclient.NoJitter && n > 64 && got != longest {
								t.Broken("%s with Base %v and Cap %v: the delay after %d failures was %v; expected Cap.", jitter.name, base, longest, n, got)
							}
						}
					}
				}
			}
		}
	}
}

func TestZeroBackoffIsAGoodOne(tt *testing.T) {
	t := labtest.Begin(tt)
	b := robustclient.Backoff{Random: highest}
	for failures, want := range map[int]time.Duration{1: robustclient.DefaultBase, 2: 2 * robustclient.DefaultBase, 100: robustclient.DefaultCap} {
		if got := b.Next(failures, 0); (got - want).Abs() > hair {
			t.Broken("The zero Backoff, with a Random that always gives the greatest number it may, delays for %v after %s; expected %v: FullJitter's longest, and all chance comes from Random.", got, count(failures, "failure"), want)
		}
	}
	b.Random = lowest
	if got := b.Next(10, 0); got > hair {
		t.Broken("The zero Backoff, with a Random that always gives 0, delays for %v after 10 failures; expected 0: its jitter is FullJitter, and all chance comes from Random.", got)
	}
}

func TestChanceIsSpreadEvenly(tt *testing.T) {
	t := labtest.Begin(tt)
	const draws, bins = 20_000, 10
	const s = time.Second
	for _, c := range []struct {
		name      string
		kind      robustclient.Jitter
		failures  int
		last      time.Duration
		low, high time.Duration
	}{
		{"FullJitter", robustclient.FullJitter, 4, 2 * s, 0, 8 * s},
		{"FullJitter", robustclient.FullJitter, 8, 2 * s, 0, 60 * s},
		{"EqualJitter", robustclient.EqualJitter, 4, 2 * s, 4 * s, 8 * s},
		{"EqualJitter", robustclient.EqualJitter, 8, 2 * s, 30 * s, 60 * s},
		{"DecorrelatedJitter", robustclient.DecorrelatedJitter, 4, 2 * s, s, 6 * s},
		{"DecorrelatedJitter", robustclient.DecorrelatedJitter, 4, 40 * s, s, 60 * s},
	} {
		// The seed is fixed: what holds today holds tomorrow.
		b := robustclient.Backoff{Base: s, Cap: 60 * s, Jitter: c.kind, Random: rand.New(rand.NewPCG(6, 1)).Int64N}
		var count [bins]int
		for range draws {
			got := b.Next(c.failures, c.last)
			if got < c.low-hair || got > c.high+hair {
				t.Broken("%s with Base 1s and Cap 1m0s, after %d failures and a last delay of %v, was %v; expected it between %v and %v.", c.name, c.failures, c.last, got, c.low, c.high)
			}
			bin := int(float64(got-c.low) / float64(c.high-c.low+1) * bins)
			count[max(0, min(bin, bins-1))]++
		}
		// Pearson's chi-squared with 9 degrees of freedom: above 60 once in a
		// billion, if all is well.
		chi := 0.0
		for _, n := range count {
			d := float64(n) - draws/bins
			chi += d * d / (draws / bins)
		}
		if chi > 60 {
			t.Broken("%s, with Base 1s and Cap 1m0s, after %d failures and a last delay of %v, gave %d delays between %v and %v. Cut into ten equal stretches, they have %v of them; expected about %d in each (chi-squared is %.0f, more than 60 is no chance).",
				c.name, c.failures, c.last, draws, c.low, c.high, count, draws/bins, chi)
		}
	}
}

func TestManyMayShareABackoff(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, jitter := range jitters {
		b := robustclient.Backoff{Jitter: jitter.kind}
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				for n := range 200 {
					b.Next(n, 0)
				}
			})
		}
		t.Returns("Next, called by eight goroutines at once,", all.Wait)
	}
}

func TestHerdSpreadsOut(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	const clients, runs = 100, 15
	calls := func(jitter robustclient.Jitter) (total int) {
		for run := range runs {
			random := rand.New(rand.NewPCG(uint64(run), 2)) // fixed, like above
			b := robustclient.Backoff{Base: 10 * time.Millisecond, Cap: 2 * time.Second, Jitter: jitter, Random: random.Int64N}
			n, served := herd(clients, b, random)
			if served < clients {
				t.Broken("%d clients wanted something of one server at the same moment; after %d calls only %d of them had it.", clients, n, served)
			}
			total += n
		}
		return total
	}
	plain := calls(robustclient.NoJitter)
	for _, c := range []struct {
		name   string
		jitter robustclient.Jitter
		most   int // per cent
	}{{"FullJitter", robustclient.FullJitter, 45}, {"EqualJitter", robustclient.EqualJitter, 50}} {
		if jittered := calls(c.jitter); jittered*100 > plain*c.most {
			t.Broken("%d clients wanted to change the same thing at the same moment. Without jitter they needed %d calls until all had, with %s %d, which is %d %%; expected at most %d %%.",
				clients, plain/runs, c.name, jittered/runs, jittered*100/plain, c.most)
		}
	}
}

// herd lets clients change the same row of a database at the same moment: each
// reads its version, and writes; a write is taken only if the row still has the
// version that was read. Whoever loses waits and begins again. It returns how
// many writes were tried and how many clients were served.
//
// It is the experiment of "Exponential Backoff And Jitter" in the AWS
// Architecture Blog.
func herd(clients int, b robustclient.Backoff, random *rand.Rand) (calls, served int) {
	// A message takes about 10 ms.
	travel := func() time.Duration {
		return time.Duration(math.Abs(10+2*random.NormFloat64()) * float64(time.Millisecond))
	}
	type client struct {
		failures, version int
		last              time.Duration
	}
	var todo agenda
	version := 0
	var read func(now time.Duration, c *client)
	write := func(now time.Duration, c *client) {
		calls++
		if c.version == version {
			version++
			served++
			return
		}
		c.failures++
		c.last = b.Next(c.failures, c.last)
		todo.add(now+travel()+max(0, c.last), func(now time.Duration) { read(now, c) })
	}
	read = func(now time.Duration, c *client) {
		todo.add(now+travel(), func(now time.Duration) { // at the server
			c.version = version
			todo.add(now+travel()+travel(), func(now time.Duration) { write(now, c) })
		})
	}
	for range clients {
		read(0, new(client))
	}
	for len(todo) > 0 && calls < 100_000 {
		next := heap.Pop(&todo).(event)
		next.do(next.at)
	}
	return calls, served
}

// An agenda is what happens, in the order of time.
type agenda []event

type event struct {
	at time.Duration
	do func(now time.Duration)
}

func (a *agenda) add(at time.Duration, do func(time.Duration)) { heap.Push(a, event{at, do}) }
func (a agenda) Len() int                                      { return len(a) }
func (a agenda) Less(i, j int) bool                            { return a[i].at < a[j].at }
func (a agenda) Swap(i, j int)                                 { a[i], a[j] = a[j], a[i] }
func (a *agenda) Push(x any)                                   { *a = append(*a, x.(event)) }
func (a *agenda) Pop() any {
	last := len(*a) - 1
	e := (*a)[last]
	*a = (*a)[:last]
	return e
}

func TestNextCostsNothing(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	for _, jitter := range jitters {
		b := robustclient.Backoff{Jitter: jitter.kind}
		if n := testing.AllocsPerRun(1000, func() { b.Next(5, time.Second) }); n > 0 {
			t.Broken("A call of Next with %s allocates %.0f times; expected never.", jitter.name, n)
		}
		few, many := best(func() { b.Next(3, time.Second) }), best(func() { b.Next(1_000_000, time.Second) })
		if many > 100*few {
			t.Broken("With %s, Next takes %v after 3 failures and %v after 1 000 000; expected that it does not count them one by one.", jitter.name, few, many)
		}
	}
}

// best is how long a call of f takes when nothing disturbs it.
func best(f func()) time.Duration {
	const calls = 20
	least := time.Duration(math.MaxInt64)
	for range 5 {
		begin := time.Now()
		for range calls {
			f()
		}
		least = min(least, time.Since(begin))
	}
	return max(least/calls, time.Nanosecond)
}

// The benchmarks ask for the next delay, with each kind of jitter.

func BenchmarkNextFullJitter(b *testing.B)  { benchmarkNext(b, robustclient.FullJitter) }
func BenchmarkNextEqualJitter(b *testing.B) { benchmarkNext(b, robustclient.EqualJitter) }
func BenchmarkNextDecorrelated(b *testing.B) {
	benchmarkNext(b, robustclient.DecorrelatedJitter)
}
func BenchmarkNextNoJitter(b *testing.B) { benchmarkNext(b, robustclient.NoJitter) }

func benchmarkNext(b *testing.B, jitter robustclient.Jitter) {
	backoff := robustclient.Backoff{Jitter: jitter}
	b.ReportAllocs()
	for n := range b.N {
		backoff.Next(n&15+1, time.Second)
	}
}
