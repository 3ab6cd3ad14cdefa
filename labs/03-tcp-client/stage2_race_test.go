package tcpclient_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	tcpclient "workbook.example/labs/03-tcp-client"
	"workbook.example/tools/labtest"
)

// An address is what becomes of an attempt to connect to one address, on fake
// time.
type address struct {
	after time.Duration // from the beginning of the attempt; 0 is never
	err   error         // nil connects
	deaf  bool          // it does not notice that it is cancelled
}

// never is when an address is given up that does not answer.
const never = 24 * time.Hour

// A race is what Race did with addresses, as time since its beginning.
type race struct {
	begun     map[int]time.Duration // which attempts, and when
	cancelled map[int]time.Duration
	open      map[int]bool // connections that were made and not closed
	returned  time.Duration
	winner    int // -1 is nobody
	err       error
}

// raceTo calls Race on fake time, with a delay of 250 ms, and waits until
// everything that it began has ended. cancel, if not 0, is when its context
// ends.
func raceTo(t *labtest.T, cancel time.Duration, addresses ...address) *race {
	t.Helper()
	r := &race{begun: map[int]time.Duration{}, cancelled: map[int]time.Duration{}, open: map[int]bool{}, winner: -1}
	var mu sync.Mutex
	t.FakeTime(func() {
		start := time.Now()
		var addrs []netip.AddrPort
		for i := range addresses {
			addrs = append(addrs, netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, 1}), uint16(i)))
		}
		connect := func(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
			i := int(addr.Port())
			mu.Lock()
			r.begun[i] = time.Since(start)
			mu.Unlock()
			after := addresses[i].after
			if after == 0 {
				after = never
			}
			cancelled := ctx.Done()
			if addresses[i].deaf {
				cancelled = nil
			}
			select {
			case <-time.After(after):
			case <-cancelled:
				mu.Lock()
				defer mu.Unlock()
				r.cancelled[i] = time.Since(start)
				return nil, ctx.Err()
			}
			if after == never {
				return nil, os.ErrDeadlineExceeded
			}
			if err := addresses[i].err; err != nil {
				return nil, err
			}
			mu.Lock()
			defer mu.Unlock()
			r.open[i] = true
			return &racedConn{closed: func() {
				mu.Lock()
				defer mu.Unlock()
				delete(r.open, i)
			}, number: i}, nil
		}
		ctx := context.Background()
		if cancel > 0 {
			var done context.CancelFunc
			ctx, done = context.WithCancel(ctx)
			defer time.AfterFunc(cancel, done).Stop()
		}
		conn, err := tcpclient.Race(ctx, addrs, 250*time.Millisecond, connect)
		r.returned, r.err = time.Since(start), err
		if raced, ok := conn.(*racedConn); ok {
			r.winner = raced.number
		}
		time.Sleep(time.Minute) // whoever is late has come by then
	})
	if r.err == nil && r.winner < 0 {
		t.Broken("Race of %d addresses returned neither a connection nor an error.", len(addresses))
	}
	return r
}

// A racedConn is a connection that only knows who it is and whether it is open.
type racedConn struct {
	net.Conn
	number int
	closed func()
}

func (c *racedConn) Close() error { c.closed(); return nil }

// expectBegun checks which attempts were begun, and when.
func (r *race) expectBegun(t *labtest.T, where string, want ...time.Duration) {
	t.Helper()
	var got []string
	var expected []string
	for i := range len(r.begun) {
		got = append(got, r.begun[i].String())
	}
	for _, w := range want {
		expected = append(expected, w.String())
	}
	if !slices.Equal(got, expected) {
		t.Broken("%s: attempts began at %s; expected at %s.", where, said(got), said(expected))
	}
}

func said(times []string) string {
	if len(times) == 0 {
		return "no time"
	}
	return strings.Join(times, ", ")
}

// expectWinner checks who won, and when.
func (r *race) expectWinner(t *labtest.T, where string, number int, when time.Duration) {
	t.Helper()
	if r.err != nil {
		t.Broken("%s: Race returned the error %q.", where, r.err)
	}
	if r.winner != number || r.returned != when {
		t.Broken("%s: Race returned the connection to address %d, at %v; expected that to address %d, at %v.",
			where, r.winner+1, r.returned, number+1, when)
	}
}

const ms = time.Millisecond

func TestQuickAddressIsTheOnlyOneTried(tt *testing.T) {
	t := begin(tt)
	where := "The first of three addresses connects after 100 ms, and the delay is 250 ms"
	r := raceTo(t, 0, address{after: 100 * ms}, address{after: ms}, address{after: ms})
	r.expectWinner(t, where, 0, 100*ms)
	r.expectBegun(t, where, 0)
}

func TestNextAddressJoinsAfterTheDelay(tt *testing.T) {
	t := begin(tt)
	where := "The first two addresses do not answer, the third connects after 30 ms, and the delay is 250 ms"
	r := raceTo(t, 0, address{}, address{}, address{after: 30 * ms}, address{after: ms})
	r.expectBegun(t, where, 0, 250*ms, 500*ms)
	r.expectWinner(t, where, 2, 530*ms)

	where = "The first address connects after 400 ms, the second one would after 200 ms, and the delay is 250 ms"
	r = raceTo(t, 0, address{after: 400 * ms}, address{after: 200 * ms})
	r.expectBegun(t, where, 0, 250*ms)
	r.expectWinner(t, where, 0, 400*ms)
}

var errNoLuck = errors.New("no luck")

func TestFailureStartsTheNextAtOnce(tt *testing.T) {
	t := begin(tt)
	where := "The first address fails after 10 ms, and the delay is 250 ms"
	r := raceTo(t, 0, address{after: 10 * ms, err: errNoLuck}, address{}, address{after: 30 * ms}, address{after: ms})
	r.expectBegun(t, where, 0, 10*ms, 260*ms)
	r.expectWinner(t, where, 2, 290*ms)

	where = "The first address does not answer, the second fails 20 ms after it began, and the delay is 250 ms"
	r = raceTo(t, 0, address{}, address{after: 20 * ms, err: errNoLuck}, address{after: 30 * ms}, address{after: ms})
	r.expectBegun(t, where, 0, 250*ms, 270*ms)
	r.expectWinner(t, where, 2, 300*ms)
}

func TestLosersAreClosed(tt *testing.T) {
	t := begin(tt)
	r := raceTo(t, 0, address{after: 400 * ms, deaf: true}, address{after: 100 * ms}, address{})
	where := "The first address connects after 400 ms, the second 350 ms after the beginning"
	r.expectWinner(t, where, 1, 350*ms)
	if !r.open[1] {
		t.Broken("%s: the connection that Race returned is closed.", where)
	}
	if r.open[0] {
		t.Broken("%s and wins: the connection to the first address was never closed.", where)
	}

	r = raceTo(t, 0, address{}, address{}, address{after: 30 * ms})
	where = "Two addresses do not answer, and the third one has won after 530 ms"
	for i := range 2 {
		if at, ok := r.cancelled[i]; !ok || at != 530*ms {
			t.Broken("%s: the attempt at address %d was not cancelled then.", where, i+1)
		}
	}

	r = raceTo(t, 0, address{after: 350 * ms, deaf: true}, address{after: 100 * ms, deaf: true})
	if r.err != nil || len(r.open) != 1 || !r.open[r.winner] {
		t.Broken("Two addresses connected at the same moment: %d connections were left open; expected that which Race returned, and no other.", len(r.open))
	}
}

func TestAllFailuresAreTold(tt *testing.T) {
	t := begin(tt)
	one, two, three := errors.New("one"), errors.New("two"), errors.New("three")
	r := raceTo(t, 0, address{after: 600 * ms, err: one}, address{after: ms, err: two}, address{after: ms, err: three})
	for _, err := range []error{one, two, three} {
		if !errors.Is(r.err, err) {
			t.Broken("Three attempts failed, with the errors one, two and three. Race returned %s, in which errors.Is does not find %s.", orNil(r.err), err)
		}
	}
	if r.returned != 600*ms {
		t.Broken("Three attempts failed, the last of them after 600 ms. Race returned after %v.", r.returned)
	}
	if r := raceTo(t, 0); r.err == nil {
		t.Broken("Race of no address at all returned no error.")
	}
}

func TestRaceEndsWithItsContext(tt *testing.T) {
	t := begin(tt)
	r := raceTo(t, 300*ms, address{}, address{after: 100 * ms, deaf: true}, address{after: ms}, address{after: ms})
	where := "The context was cancelled after 300 ms, while two attempts were under way"
	if !errors.Is(r.err, context.Canceled) {
		t.Broken("%s: Race returned %s; expected context.Canceled in it.", where, orNil(r.err))
	}
	if r.returned != 300*ms {
		t.Broken("%s: Race returned after %v.", where, r.returned)
	}
	r.expectBegun(t, where, 0, 250*ms)
	if len(r.open) > 0 {
		t.Broken("%s: a connection that came 50 ms later was never closed.", where)
	}
}

func TestFamiliesTakeTurns(tt *testing.T) {
	t := begin(tt)
	for _, c := range []struct{ in, want string }{
		{"", ""},
		{"6a 6b 6c 4a 4b", "6a 4a 6b 4b 6c"},
		{"4a 4b 6a 6b 6c", "4a 6a 4b 6b 6c"},
		{"6a 4a 4b 4c", "6a 4a 4b 4c"},
		{"4a 4b", "4a 4b"},
		{"6a 4a 6b 4b", "6a 4a 6b 4b"},
	} {
		in := addresses(c.in)
		before := slices.Clone(in)
		got := tcpclient.Alternate(in)
		if !slices.Equal(got, addresses(c.want)) {
			t.Broken("Alternate made of %s: %s; expected %s.", listed(before), listed(got), listed(addresses(c.want)))
		}
		if !slices.Equal(in, before) {
			t.Broken("Alternate changed the list that it was given, %s, to %s.", listed(before), listed(in))
		}
	}
}

// addresses makes addresses of names like 4a and 6c.
func addresses(names string) (addrs []netip.AddrPort) {
	for _, n := range strings.Fields(names) {
		host := fmt.Sprintf("127.0.0.%d", n[1]-'a'+1)
		if n[0] == '6' {
			host = fmt.Sprintf("::%c", n[1])
		}
		addrs = append(addrs, netip.AddrPortFrom(netip.MustParseAddr(host), 8888))
	}
	return addrs
}

func listed(addrs []netip.AddrPort) string {
	var hosts []string
	for _, a := range addrs {
		hosts = append(hosts, a.Addr().String())
	}
	if hosts == nil {
		return "nothing"
	}
	return strings.Join(hosts, ", ")
}

func TestSilentFamilyCostsOneDelay(tt *testing.T) {
	t := begin(tt)
	t.Needs(1)
	t.NoLeaks()
	names := t.NameServer()
	names.Answer("chat.test", "::1", "127.0.0.1")
	d := &tcpclient.Dialer{Resolver: names.Resolver(), FallbackDelay: 50 * ms}
	for _, host := range []string{"::1", "127.0.0.1"} {
		l := blackHole(t, host)
		// There is no limit that would end an attempt.
		when := fmt.Sprintf("with a FallbackDelay, of a name with the addresses ::1 and 127.0.0.1, where only %s answers", host)
		conn := mustDial(t, d, context.Background(), "chat.test:"+portOf(l.Addr().String()), when)
		greet(t, l, conn)
		nobodyConnects(t)
	}
}

func TestBrokenFamilyCostsOneDelay(tt *testing.T) {
	t := begin(tt)
	t.Needs(1)
	names := t.NameServer()
	names.Answer("chat.test", "::1", "::1", "::1", "::ffff:127.0.0.1")
	const delay = 300 * ms
	d := &tcpclient.Dialer{Resolver: names.Resolver(), FallbackDelay: delay}
	l := blackHole(t, "127.0.0.1")
	var took time.Duration
	for range 3 { // a busy machine may need longer once
		begun := time.Now()
		conn := mustDial(t, d, within(t), "chat.test:"+portOf(l.Addr().String()),
			"with a FallbackDelay of 300 ms, of a name with the addresses ::1, three times, and ::ffff:127.0.0.1, where only the last answers")
		took = time.Since(begun)
		conn.Close()
		if took < 2*delay {
			return
		}
	}
	t.Broken("A name has three IPv6 addresses that do not answer, and an IPv4 address, written ::ffff:127.0.0.1, that does. With a FallbackDelay of %v Dial took %v; expected one delay.", delay, took.Round(ms))
}
