package sockettypes_test

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"slices"
	"testing"

	sockettypes "workbook.example/labs/01-socket-types"
	"workbook.example/tools/labtest"
)

// expectEndpoint checks what ParseEndpoint makes of one text.
func expectEndpoint(t *labtest.T, text, addr string, port uint16) {
	t.Helper()
	const defaultPort = 7777
	want := netip.AddrPortFrom(netip.MustParseAddr(addr), port)
	got, err := sockettypes.ParseEndpoint(text, defaultPort)
	if err != nil {
		t.Broken("ParseEndpoint(%q, %d) returned %s; expected the address %s and the port %d.", text, defaultPort, orNone(err), addr, port)
	}
	if !got.IsValid() {
		t.Broken("ParseEndpoint(%q, %d) returned no address and no error; expected the address %s and the port %d.", text, defaultPort, addr, port)
	}
	if got != want {
		t.Broken("ParseEndpoint(%q, %d) returned the address %s and the port %d; expected the address %s and the port %d.",
			text, defaultPort, got.Addr(), got.Port(), addr, port)
	}
}

func TestEndpointIsAddressAndPort(tt *testing.T) {
	t := labtest.Begin(tt)
	expectEndpoint(t, "127.0.0.1:8888", "127.0.0.1", 8888)
	expectEndpoint(t, "192.168.1.20:80", "192.168.1.20", 80)
	expectEndpoint(t, "127.0.0.1:0", "127.0.0.1", 0)
	expectEndpoint(t, "127.0.0.1:65535", "127.0.0.1", 65535)

	// What it returns leads to a real socket.
	l := listenTCP(t, "127.0.0.1")
	endpoint, err := sockettypes.ParseEndpoint(l.Addr().String(), 0)
	if err != nil {
		t.Broken("ParseEndpoint(%q, 0) returned %s.", l.Addr(), orNone(err))
	}
	c, err := net.DialTCP("tcp", nil, net.TCPAddrFromAddrPort(endpoint))
	if err != nil {
		t.Broken("Somebody listens on %s, but what ParseEndpoint made of it, %s, does not lead there: %v.", l.Addr(), endpoint, err)
	}
	c.Close()
}

func TestPortMayBeLeftOut(tt *testing.T) {
	t := labtest.Begin(tt)
	expectEndpoint(t, "127.0.0.1", "127.0.0.1", 7777)
	expectEndpoint(t, "10.0.0.255", "10.0.0.255", 7777)
}

func TestIPv6EndpointStandsInBrackets(tt *testing.T) {
	t := labtest.Begin(tt)
	expectEndpoint(t, "[::1]:8888", "::1", 8888)
	expectEndpoint(t, "[fd00::1:2]:443", "fd00::1:2", 443)
}

func TestColonsWithoutBracketsAreTheAddress(tt *testing.T) {
	t := labtest.Begin(tt)
	expectEndpoint(t, "::1", "::1", 7777)
	expectEndpoint(t, "::1:8888", "::1:8888", 7777)
	expectEndpoint(t, "fd00::1:2:443", "fd00::1:2:443", 7777)
}

func TestZoneBelongsToTheAddress(tt *testing.T) {
	t := labtest.Begin(tt)
	expectEndpoint(t, "[fe80::1%eth0]:8888", "fe80::1%eth0", 8888)
	expectEndpoint(t, "fe80::1%eth0", "fe80::1%eth0", 7777)
}

func TestIPv4AddressIsOneInEveryDress(tt *testing.T) {
	t := labtest.Begin(tt)
	expectEndpoint(t, "[::ffff:127.0.0.1]:8888", "127.0.0.1", 8888)
	expectEndpoint(t, "::ffff:127.0.0.1", "127.0.0.1", 7777)
}

func TestWhatIsNoEndpointIsRefused(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, text := range []string{
		"", ":8888", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "127.0.0.1:8888:9999",
		"256.0.0.1:80", "1.2.3:80", "localhost:8888", "127.0.0.1:http", "[::1:8888", "::1]:8888",
	} {
		if got, err := sockettypes.ParseEndpoint(text, 7777); err == nil {
			t.Broken("ParseEndpoint(%q, 7777) returned %s and no error; that text is no endpoint.", text, got)
		}
	}
}

// resolve calls Resolve and expects it to succeed.
func resolve(t *labtest.T, r sockettypes.Resolver, host, service string) []netip.AddrPort {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), labtest.Patience)
	defer cancel()
	var endpoints []netip.AddrPort
	t.Returns("Resolve", func() {
		var err error
		if endpoints, err = sockettypes.Resolve(ctx, r, host, service); err != nil {
			t.Broken("Resolve of the host %q and the service %q returned %s.", host, service, orNone(err))
		}
	})
	return endpoints
}

func TestNameMayHaveManyAddresses(tt *testing.T) {
	t := labtest.Begin(tt)
	dns := t.NameServer()
	dns.Answer("chat.example", "127.0.0.1", "::1", "127.0.0.2")
	got := resolve(t, dns.Resolver(), "chat.example", "8888")
	for _, want := range []string{"127.0.0.1:8888", "[::1]:8888", "127.0.0.2:8888"} {
		if !slices.Contains(got, netip.MustParseAddrPort(want)) {
			t.Broken("The name chat.example has the addresses 127.0.0.1, 127.0.0.2 and ::1. Resolve with port 8888 returned %v; %s is missing.", got, want)
		}
	}
	if len(got) != 3 {
		t.Broken("The name chat.example has three addresses, and Resolve returned %d endpoints: %v.", len(got), got)
	}
}

// A fixedResolver gives the same addresses for every name. The rest of it is
// Go's own.
type fixedResolver struct {
	net.Resolver
	addrs []netip.Addr
}

func (r *fixedResolver) LookupNetIP(context.Context, string, string) ([]netip.Addr, error) {
	return slices.Clone(r.addrs), nil
}

func TestOrderOfTheResolverIsKept(tt *testing.T) {
	t := labtest.Begin(tt)
	r := &fixedResolver{}
	var want []netip.AddrPort
	for _, a := range []string{"127.0.0.3", "::1", "127.0.0.1", "::2", "127.0.0.2"} {
		addr := netip.MustParseAddr(a)
		want = append(want, netip.AddrPortFrom(addr, 80))
		if addr.Is4() { // as some resolvers give them
			addr = netip.AddrFrom16(addr.As16())
		}
		r.addrs = append(r.addrs, addr)
	}
	if got := resolve(t, r, "chat.example", "80"); !slices.Equal(got, want) {
		t.Broken("The resolver gave %v, and Resolve with port 80 returned %v; expected %v.", r.addrs, got, want)
	}
}

func TestServiceMayHaveAName(tt *testing.T) {
	t := labtest.Begin(tt)
	r := &fixedResolver{addrs: []netip.Addr{netip.MustParseAddr("127.0.0.1")}}
	for _, s := range []struct {
		service string
		port    uint16
	}{{"8888", 8888}, {"http", 80}, {"65535", 65535}} {
		got := resolve(t, r, "chat.example", s.service)
		if want := netip.AddrPortFrom(r.addrs[0], s.port); len(got) != 1 || got[0] != want {
			t.Broken("Resolve of the service %q of 127.0.0.1 returned %v; expected %v.", s.service, got, want)
		}
	}
	for _, service := range []string{"65536", "70000", "-1", "no such service"} {
		if got, err := sockettypes.Resolve(context.Background(), r, "chat.example", service); err == nil {
			t.Broken("Resolve of the service %q returned %v and no error; there is no such port.", service, got)
		}
	}
}

func TestResolversErrorReachesTheCaller(tt *testing.T) {
	t := labtest.Begin(tt)
	dns := t.NameServer()
	dns.Fail("nobody.example", labtest.NXDomain)
	got, err := sockettypes.Resolve(context.Background(), dns.Resolver(), "nobody.example", "80")
	if unknown := (*net.DNSError)(nil); !errors.As(err, &unknown) {
		t.Broken("There is no host nobody.example. Resolve returned %v and %s; expected the resolver's error, a *net.DNSError.", got, orNone(err))
	}
}

func TestResolveTakesNoLongerThanItsContext(tt *testing.T) {
	t := labtest.Begin(tt)
	dns := t.NameServer()
	dns.Fail("slow.example", labtest.Silent)
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	done := make(chan error, 1)
	go func() {
		_, err := sockettypes.Resolve(ctx, dns.Resolver(), "slow.example", "80")
		done <- err
	}()
	t.Eventually("That Resolve asks the name service for slow.example", func() bool {
		select {
		case err := <-done:
			t.Broken("The name service does not answer, and Resolve returned %s before it was cancelled.", orNone(err))
		default:
		}
		return dns.Queries("slow.example") > 0
	})
	cancel() // the question is asked, and no answer comes
	t.Returns("Resolve, after its context was cancelled,", func() {
		if err := <-done; err == nil {
			t.Broken("The name service did not answer, and Resolve returned no error.")
		}
	})
}
