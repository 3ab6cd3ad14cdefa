package sockettypes

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
)

// ParseEndpoint reads an endpoint as people write it: an IP address, and a
// port from 0 to 65535.
//
//	127.0.0.1:8888          IPv4
//	[::1]:8888              IPv6: its colons need the brackets
//	[fe80::1%eth0]:8888     with a zone: "on the link of eth0"
//
// The port may be left out, and then no brackets stand around the address, not
// even in IPv6: the endpoint has the port defaultPort. So ::1:8888 is an
// address, and all of it.
//
// An IPv4 address in the clothes of IPv6, ::ffff:127.0.0.1, is an IPv4 address.
// Host names are not read, see Resolve. What is no endpoint is an error.
func ParseEndpoint(s string, defaultPort uint16) (netip.AddrPort, error) {
	bare := func(s string) (netip.AddrPort, error) {
		a, err := netip.ParseAddr(s)
		return netip.AddrPortFrom(a, defaultPort), err
	}
	var lastErr error
	for _, read := range []func(string) (netip.AddrPort, error){bare, netip.ParseAddrPort} {
		ap, err := read(s)
		if err == nil {
			return netip.AddrPortFrom(ap.Addr().Unmap(), ap.Port()), nil
		}
		lastErr = err // the one of the longer form says more
	}
	return netip.AddrPort{}, fmt.Errorf("endpoint %q: %w", s, lastErr)
}

// Resolver looks up names; *net.Resolver is one.
type Resolver interface {
	// LookupNetIP looks up the addresses of a host; network is "ip", "ip4" or
	// "ip6". It may give IPv4 addresses in the clothes of IPv6.
	LookupNetIP(ctx context.Context, network, host string) ([]netip.Addr, error)
	// LookupPort looks up the port of a service, which may be a number
	// already; network is "tcp" or "udp".
	LookupPort(ctx context.Context, network, service string) (port int, err error)
}

// Resolve returns the endpoints of a TCP service of a host, such as "http" or
// "8888" of "localhost": one for each of the host's addresses, IPv4 and IPv6,
// in the resolver's order. As in ParseEndpoint, an IPv4 address is one.
//
// It takes no longer than ctx allows, and returns the resolver's error when
// there is one (errors.As finds it).
func Resolve(ctx context.Context, r Resolver, host, service string) ([]netip.AddrPort, error) {
	type answer struct {
		port int
		err  error
	}
	port := make(chan answer, 1)
	go func() {
		p, err := r.LookupPort(ctx, "tcp", service)
		port <- answer{p, err}
	}()
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	a := <-port
	if err = cmp.Or(err, a.err); err != nil {
		return nil, fmt.Errorf("resolve %s, service %s: %w", host, service, err)
	}
	eps := make([]netip.AddrPort, len(addrs))
	for i, addr := range addrs {
		eps[i] = netip.AddrPortFrom(addr.Unmap(), uint16(a.port))
	}
	return eps, nil
}
