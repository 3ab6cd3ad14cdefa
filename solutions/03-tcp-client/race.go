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
// still connect is closed. When all fail, the error holds all of their errors
// (without any addrs, it is a *net.AddrError);
// when ctx ends, Race returns at once, with ctx's error among them, and begins
// no further attempt.
func Race(ctx context.Context, addrs []netip.AddrPort, delay time.Duration,
	connect func(context.Context, netip.AddrPort) (net.Conn, error)) (net.Conn, error) {

	type outcome struct {
		conn net.Conn
		err  error
	}
	attempts, cancel := context.WithCancel(ctx)
	outcomes := make(chan outcome, len(addrs)) // nobody who comes late has to wait
	running := 0
	defer func() {
		cancel()
		go func() { // the losers may take a moment to lose
			for range running {
				if late := <-outcomes; late.err == nil {
					late.conn.Close()
				}
			}
		}()
	}()

	next := time.NewTimer(0)
	defer next.Stop()
	var failed []error
	if len(addrs) == 0 {
		failed = append(failed, &net.AddrError{Err: "no address to connect to"})
	}
	for len(addrs) > 0 || running > 0 {
		select {
		case <-ctx.Done():
			return nil, errors.Join(append(failed, ctx.Err())...)
		case first := <-outcomes:
			running--
			if first.err == nil {
				return first.conn, nil
			}
			failed = append(failed, first.err)
			next.Reset(0)
		case <-next.C:
			if len(addrs) == 0 || ctx.Err() != nil {
				continue
			}
			addr := addrs[0]
			addrs = addrs[1:]
			running++
			go func() {
				conn, err := connect(attempts, addr)
				outcomes <- outcome{conn, err}
			}()
			next.Reset(delay)
		}
	}
	return nil, errors.Join(failed...)
}

// Alternate orders addrs for a Race: IPv6 and IPv4 take turns, beginning with
// the family of the first address, so that a family that does not work costs
// one delay and not one for each of its addresses (RFC 8305, section 4). Within
// a family the order stays. addrs is not changed.
func Alternate(addrs []netip.AddrPort) []netip.AddrPort {
	var first, other []netip.AddrPort
	for _, addr := range addrs {
		if addr.Addr().Is4() == addrs[0].Addr().Is4() {
			first = append(first, addr)
		} else {
			other = append(other, addr)
		}
	}
	var turns []netip.AddrPort
	for len(first) > 0 && len(other) > 0 {
		turns = append(turns, first[0], other[0])
		first, other = first[1:], other[1:]
	}
	return append(append(turns, first...), other...)
}
