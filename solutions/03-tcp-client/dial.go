package tcpclient

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"syscall"
	"time"
)

// A Dialer connects to servers over TCP. Its zero value is ready to use, and
// it may be used by several goroutines at once.
type Dialer struct {
	// Resolver looks names up; nil is net.DefaultResolver.
	Resolver *net.Resolver

	// FallbackDelay is how long one address of a server has before the next one
	// is tried beside it (see Race; RFC 8305 recommends 250 ms). 0 tries them
	// strictly one after the other.
	FallbackDelay time.Duration
}

// Dial connects to addr, "host:port": host is a name or an IP address, IPv6 in
// brackets. The addresses of a name are tried until one takes the connection;
// when ctx has a deadline, none of them can use up the time of those after it.
//
// ctx is for all of it, name service included, and for nothing later: what
// becomes of ctx after Dial has returned does not concern the connection.
//
// The error says what each attempt failed with, for errors.Is and errors.As;
// Why makes one word of it. Nothing is left open then.
func (d *Dialer) Dial(ctx context.Context, addr string) (net.Conn, error) {
	addrs, err := d.resolve(ctx, addr)
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	var conn net.Conn
	if d.FallbackDelay > 0 {
		conn, err = Race(ctx, Alternate(addrs), d.FallbackDelay, connect)
	} else {
		conn, err = inTurn(ctx, addrs)
	}
	if err != nil {
		return nil, fmt.Errorf("connect to %s: %w", addr, err)
	}
	return conn, nil
}

// resolve returns the addresses that addr stands for, in the order in which
// the system prefers them (RFC 6724), IPv4 never in the clothes of IPv6
// (::ffff:127.0.0.1). An addr that cannot be right (without host or port, with
// port 0 or a service that nobody knows) is refused before name service is asked
// for anything, with a *net.AddrError.
func (d *Dialer) resolve(ctx context.Context, addr string) ([]netip.AddrPort, error) {
	host, service, err := net.SplitHostPort(addr)
	switch {
	case err != nil:
		return nil, err
	case host == "" || service == "" || service == "0":
		return nil, &net.AddrError{Err: "host or port is missing", Addr: addr}
	}
	resolver := d.Resolver
	if resolver == nil {
		resolver = net.DefaultResolver
	}
	port, err := resolver.LookupPort(ctx, "tcp", service)
	if unknown := (*net.DNSError)(nil); errors.As(err, &unknown) && unknown.IsNotFound {
		return nil, &net.AddrError{Err: "unknown port", Addr: addr} // not a name that is not found
	}
	if err != nil {
		return nil, err
	}
	ips, err := resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		return nil, err
	}
	addrs := make([]netip.AddrPort, len(ips))
	for i, ip := range ips {
		addrs[i] = netip.AddrPortFrom(ip.Unmap(), uint16(port))
	}
	return addrs, nil
}

// inTurn connects to the first of addrs that takes the connection. What is
// left of ctx's time is shared out evenly among the addresses that are left.
func inTurn(ctx context.Context, addrs []netip.AddrPort) (net.Conn, error) {
	var failed []error
	for i, addr := range addrs {
		attempt, cancel := ctx, func() {}
		if deadline, limited := ctx.Deadline(); limited {
			share := time.Until(deadline) / time.Duration(len(addrs)-i)
			attempt, cancel = context.WithTimeout(ctx, share)
		}
		conn, err := connect(attempt, addr)
		cancel()
		if err == nil {
			return conn, nil
		}
		failed = append(failed, err)
		if ctx.Err() != nil {
			break
		}
	}
	return nil, errors.Join(failed...)
}

// connect connects to one address.
func connect(ctx context.Context, addr netip.AddrPort) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, "tcp", addr.String())
}

// A Reason is why there is no connection, as far as somebody needs to know it
// who has to decide what to do next.
type Reason int

const (
	Unknown     Reason = iota // none of the following
	Canceled                  // whoever asked has changed his mind (context.Canceled)
	BadAddress                // nothing can be reached under such an address
	TimedOut                  // no answer in time, from name service or from the server
	NotFound                  // there is no such name, or it has no address
	NameService               // name service could not say; the name may well exist
	Refused                   // the machine is there, and nobody listens on that port
	Unreachable               // there is no way to that machine
	Untrusted                 // the server cannot prove that it is who it should be (TLS)
)

// Why tells why there is no connection: the reason in an error of Dial,
// Connect or Secure, however deeply it is wrapped. Of several reasons, one for
// each address, it is the one that comes first in the list above, wherever it
// stands in err; Unknown is for when there is none.
func Why(err error) Reason {
	var name *net.DNSError
	isName := errors.As(err, &name)
	var addr *net.AddrError
	switch {
	case errors.Is(err, context.Canceled):
		return Canceled
	case errors.As(err, &addr):
		return BadAddress
	case isTimeout(err), isName && name.IsTimeout:
		return TimedOut
	case isName && name.IsNotFound:
		return NotFound
	case isName:
		return NameService
	case errors.Is(err, syscall.ECONNREFUSED):
		return Refused
	case errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EHOSTUNREACH):
		return Unreachable
	case isUntrusted(err):
		return Untrusted
	}
	return Unknown
}

// isTimeout tells whether err is the end of somebody's patience: a context's,
// a deadline's (when both are due, net reports either), or the kernel's.
func isTimeout(err error) bool {
	return errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) ||
		errors.Is(err, syscall.ETIMEDOUT)
}
