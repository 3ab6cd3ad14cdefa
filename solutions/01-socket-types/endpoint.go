package sockettypes

import (
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
	if addr, err := netip.ParseAddr(s); err == nil {
		return netip.AddrPortFrom(addr.Unmap(), defaultPort), nil
	}
	endpoint, err := netip.ParseAddrPort(s)
	if err != nil {
		return netip.AddrPort{}, fmt.Errorf("endpoint %q: %w", s, err)
	}
	return netip.AddrPortFrom(endpoint.Addr().Unmap(), endpoint.Port()), nil
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
	port, err := r.LookupPort(ctx, "tcp", service)
	if err != nil {
		return nil, fmt.Errorf("resolve service %q: %w", service, err)
	}
	addrs, err := r.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, fmt.Errorf("resolve host %q: %w", host, err)
	}
	endpoints := make([]netip.AddrPort, 0, len(addrs))
	for _, addr := range addrs {
		endpoints = append(endpoints, netip.AddrPortFrom(addr.Unmap(), uint16(port)))
	}
	return endpoints, nil
}
