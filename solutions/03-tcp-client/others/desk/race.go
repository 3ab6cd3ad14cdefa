package tcpclient

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"time"
)

// Race connects to whichever of addrs is there first ("happy eyeballs", RFC
// 8305): connect is called for the first address at once, and for the next one
// when delay has passed since the last call, or as soon as an attempt fails.
// Earlier attempts go on beside it.
//
// The first connection wins. All other attempts are cancelled, and what they
// still connect is closed. When all fail, the error holds all of their errors;
// when ctx ends, Race returns at once, with ctx's error among them, and begins
// no further attempt.
func Race(ctx context.Context, addrs []netip.AddrPort, delay time.Duration,
	connect func(context.Context, netip.AddrPort) (net.Conn, error)) (net.Conn, error) {
	racing, callOff := context.WithCancel(ctx)
	defer callOff()
	finish := make(chan attempt) // nobody receives from it when the race is over

	var failures []error
	timer := time.NewTimer(0) // the first starts at once
	defer timer.Stop()
	for running := 0; running > 0 || len(addrs) > 0; {
		select {
		case <-ctx.Done():
			return nil, errors.Join(append(failures, ctx.Err())...)
		case a := <-finish:
			if a.err == nil {
				return a.conn, nil
			}
			running--
			failures = append(failures, a.err)
			timer.Reset(0)
		case <-timer.C:
			if len(addrs) == 0 || ctx.Err() != nil {
				continue
			}
			go run(racing, addrs[0], connect, finish)
			addrs, running = addrs[1:], running+1
			timer.Reset(delay)
		}
	}
	if len(failures) == 0 {
		return nil, &net.AddrError{Err: "no addresses to connect to"}
	}
	return nil, errors.Join(failures...)
}

// An attempt is how one runner of a race has fared.
type attempt struct {
	conn net.Conn
	err  error
}

// run makes one attempt, and clears up behind it when the race is over.
func run(ctx context.Context, addr netip.AddrPort,
	connect func(context.Context, netip.AddrPort) (net.Conn, error), finish chan<- attempt) {
	conn, err := connect(ctx, addr)
	select {
	case finish <- attempt{conn, err}:
	case <-ctx.Done():
		if err == nil {
			conn.Close()
		}
	}
}

// Alternate orders addrs for a Race: IPv6 and IPv4 take turns, beginning with
// the family of the first address, so that a family that does not work costs
// one delay and not one for each of its addresses (RFC 8305, section 4). Within
// a family the order stays. addrs is not changed.
func Alternate(addrs []netip.AddrPort) []netip.AddrPort {
	var families [2][]netip.AddrPort // the first address's, and the other
	for _, a := range addrs {
		k := 0
		if a.Addr().Is4() != addrs[0].Addr().Is4() {
			k = 1
		}
		families[k] = append(families[k], a)
	}
	mixed := make([]netip.AddrPort, 0, len(addrs))
	for k := 0; len(mixed) < len(addrs); k = 1 - k {
		if f := families[k]; len(f) > 0 {
			mixed, families[k] = append(mixed, f[0]), f[1:]
		}
	}
	return mixed
}
