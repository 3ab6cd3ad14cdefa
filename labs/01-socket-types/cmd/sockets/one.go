package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	sockettypes "workbook.example/labs/01-socket-types"
)

// one opens the socket that was named and prints all there is to say about it.
func one(ctx context.Context, w io.Writer, what string, listen bool) error {
	began := time.Now()
	s, err := openNamed(ctx, what, listen)
	if err != nil {
		return err
	}
	defer s.Close()
	took := time.Since(began)
	info, err := sockettypes.Describe(s)
	if err != nil {
		return fmt.Errorf("the socket is open, but cannot be described: %w", err)
	}
	fmt.Fprintln(w, info)
	family, typ, protocol := info.Names()
	line := func(name, format string, args ...any) {
		fmt.Fprintf(w, "  %-14s %s\n", name, fmt.Sprintf(format, args...))
	}
	line("family", "%s", family)
	line("type", "%s", typ)
	line("protocol", "%s%s", protocol, remark(info.Protocol))
	if info.Local != "" {
		line("own address", "%s", info.Local)
	}
	if info.Peer != "" {
		if _, udp := s.(*net.UDPConn); udp { // nothing was sent for that
			line("peer", "%s", info.Peer)
		} else {
			line("peer", "%s, connected in %v", info.Peer, took.Round(10*time.Microsecond))
		}
	}
	for _, o := range optionsOf(s) {
		value, err := sockettypes.GetInt(s, o.level, o.option)
		if err != nil {
			line(o.name, "? (%v)", err)
			continue
		}
		line(o.name, "%d%s", value, o.unit)
	}
	if _, tcp := s.(*net.TCPConn); tcp {
		if state, rtt, err := sockettypes.State(s); err != nil {
			line("state", "? (%v)", err)
		} else {
			line("state", "%v, round trip %v", state, rtt)
		}
	}
	if unix, ok := s.(*net.UnixConn); ok && info.Peer != "" {
		if cred, err := sockettypes.PeerCred(unix); err != nil {
			line("listener", "? (%v)", err)
		} else {
			line("listener", "process %d of user %d, group %d", cred.PID, cred.UID, cred.GID)
		}
	}
	return nil
}

// remark is what makes a reader wonder about a protocol, and why it is so.
func remark(protocol int) string {
	if protocol != protoMPTCP {
		return ""
	}
	return ": TCP over several paths, for clients that ask for it"
}

// openNamed opens the socket that was named: a path is a Unix socket, udp:… is
// UDP, everything else TCP.
func openNamed(ctx context.Context, what string, listen bool) (socket, error) {
	if strings.ContainsRune(what, '/') {
		return openUnix(ctx, what, listen)
	}
	network, address, found := strings.Cut(what, ":")
	if !found || network != "udp" && network != "tcp" {
		network, address = "tcp", what
	}
	if listen {
		return openListener(ctx, network, address)
	}
	endpoints, err := endpointsOf(ctx, address)
	if err != nil {
		return nil, err
	}
	var errs []error
	for _, endpoint := range endpoints {
		c, err := new(net.Dialer).DialContext(ctx, network, endpoint.String())
		if err == nil {
			return c.(socket), nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

func openUnix(ctx context.Context, path string, listen bool) (socket, error) {
	if !listen {
		c, err := new(net.Dialer).DialContext(ctx, "unix", path)
		if err != nil {
			return nil, err
		}
		return c.(*net.UnixConn), nil
	}
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return nil, err
	}
	return l, nil
}

func openListener(ctx context.Context, network, address string) (socket, error) {
	if network == "udp" {
		c, err := new(net.ListenConfig).ListenPacket(ctx, "udp", address)
		if err != nil {
			return nil, err
		}
		return c.(*net.UDPConn), nil
	}
	l, err := sockettypes.Listen(ctx, address, sockettypes.ListenOptions{})
	if err != nil {
		return nil, err
	}
	return l, nil
}

// A misnamedError says what is missing in the address that somebody typed.
type misnamedError string

func (e misnamedError) Error() string { return string(e) }

func misnamed(format string, args ...any) error { return misnamedError(fmt.Sprintf(format, args...)) }

// withoutPort is what to say about an address that is no more than that. One of
// IPv6 that ends in a port's number was most likely meant to have that port.
func withoutPort(address string, addr netip.Addr) error {
	if i := strings.LastIndexByte(address, ':'); addr.Is6() && i > 0 && !strings.HasSuffix(address, "]") {
		host, errHost := netip.ParseAddr(address[:i])
		port, errPort := strconv.ParseUint(address[i+1:], 10, 16)
		if errHost == nil && errPort == nil && port >= 10 {
			return misnamed("%s is an address, all of it, and has no port; did you mean %s?", address, netip.AddrPortFrom(host, uint16(port)))
		}
	}
	return misnamed("%s has no port; say for example %s", address, netip.AddrPortFrom(addr, 8888))
}

// endpointsOf is where an address leads: it may be numbers, or names.
func endpointsOf(ctx context.Context, address string) ([]netip.AddrPort, error) {
	if endpoint, err := sockettypes.ParseEndpoint(address, 0); err == nil {
		if endpoint.Port() == 0 {
			return nil, withoutPort(address, endpoint.Addr())
		}
		return []netip.AddrPort{endpoint}, nil
	}
	host, service, err := net.SplitHostPort(address)
	switch {
	case address == "":
		return nil, misnamed("\"\" names no socket: which host, and which port? Say for example 127.0.0.1:8888.")
	case err == nil && host == "":
		return nil, misnamed("%q names no host: which one? Say for example %s.", address, net.JoinHostPort("127.0.0.1", service))
	case err == nil && service == "":
		return nil, misnamed("%q names no port: which one? Say for example %s.", address, net.JoinHostPort(host, "8888"))
	case err != nil:
		return nil, misnamed("%q names no socket; say for example 127.0.0.1:8888, localhost:http or /run/some/socket", address)
	}
	return sockettypes.Resolve(ctx, net.DefaultResolver, host, service)
}
