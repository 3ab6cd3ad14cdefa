package labtest

import (
	"context"
	"net"
	"net/netip"
	"strings"
	"sync"

	"golang.org/x/net/dns/dnsmessage"
)

// A NameFault is a way in which name service does not give an address.
type NameFault int

const (
	// NXDomain: there is no such name (RFC 1035, RCODE 3).
	NXDomain NameFault = iota + 1
	// NoData: the name exists and has no address (RFC 2308, 2.2).
	NoData
	// ServFail: the server cannot say just now (RFC 1035, RCODE 2).
	ServFail
	// Silent: no answer comes at all.
	Silent
)

// NameServer is a DNS server on loopback, for tests of code that looks names
// up: with it, name service is right, wrong, or silent as the test says, and
// nothing leaves the machine. What it was not told of does not exist.
type NameServer struct {
	t    *T
	conn net.PacketConn

	mu      sync.Mutex
	names   map[string]nameRecord
	queries map[string]int
}

type nameRecord struct {
	addrs []netip.Addr
	fault NameFault
}

// NameServer serves on an ephemeral UDP port of 127.0.0.1 until the test ends.
func (t *T) NameServer() *NameServer {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("%v", err)
	}
	s := &NameServer{t: t, conn: conn, names: map[string]nameRecord{}, queries: map[string]int{}}
	var work sync.WaitGroup
	work.Go(s.serve)
	t.Cleanup(func() {
		conn.Close()
		work.Wait()
	})
	return s
}

// Resolver is a resolver that asks this server and no other.
func (s *NameServer) Resolver() *net.Resolver {
	return &net.Resolver{
		PreferGo: true, // the C library's would ask whom the machine asks
		Dial: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, "udp", s.conn.LocalAddr().String())
		},
	}
}

// Answer gives name these addresses, IPv4 and IPv6, from now on.
func (s *NameServer) Answer(name string, addrs ...string) {
	s.t.Helper()
	var r nameRecord
	for _, text := range addrs {
		a, err := netip.ParseAddr(text)
		if err != nil {
			s.t.Fatalf("%v", err)
		}
		r.addrs = append(r.addrs, a)
	}
	s.set(name, r)
}

// Fail makes lookups of name go wrong in this way from now on.
func (s *NameServer) Fail(name string, how NameFault) { s.set(name, nameRecord{fault: how}) }

// Queries is how often name was asked for so far. One lookup is two queries or
// more: for IPv4 and for IPv6, and again when an answer does not come.
func (s *NameServer) Queries(name string) int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.queries[fullName(name)]
}

func (s *NameServer) set(name string, r nameRecord) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.names[fullName(name)] = r
}

// fullName is name as it is compared: whole, in lower case.
func fullName(name string) string { return strings.ToLower(strings.TrimSuffix(name, ".")) + "." }

func (s *NameServer) serve() {
	buf := make([]byte, 1500)
	for {
		n, from, err := s.conn.ReadFrom(buf)
		if err != nil {
			return
		}
		if answer := s.answer(buf[:n]); answer != nil {
			_, _ = s.conn.WriteTo(answer, from) // one that is gone does not miss it
		}
	}
}

// answer is the reply to a query, nil for none.
func (s *NameServer) answer(query []byte) []byte {
	var p dnsmessage.Parser
	head, err := p.Start(query)
	if err != nil {
		return nil
	}
	q, err := p.Question()
	if err != nil {
		return nil
	}
	r := s.lookUp(q.Name.String())
	reply := dnsmessage.Message{
		Header: dnsmessage.Header{
			ID: head.ID, Response: true, Authoritative: true,
			RecursionDesired: head.RecursionDesired, RecursionAvailable: true,
		},
		Questions: []dnsmessage.Question{q},
	}
	switch r.fault {
	case Silent:
		return nil
	case NXDomain:
		reply.RCode = dnsmessage.RCodeNameError
	case ServFail:
		reply.RCode = dnsmessage.RCodeServerFailure
	}
	h := dnsmessage.ResourceHeader{Name: q.Name, Class: dnsmessage.ClassINET, TTL: 1}
	for _, a := range r.addrs {
		switch {
		case a.Is4() && q.Type == dnsmessage.TypeA:
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AResource{A: a.As4()}})
		case a.Is6() && q.Type == dnsmessage.TypeAAAA:
			reply.Answers = append(reply.Answers, dnsmessage.Resource{Header: h, Body: &dnsmessage.AAAAResource{AAAA: a.As16()}})
		}
	}
	packed, err := reply.Pack()
	if err != nil {
		return nil
	}
	return packed
}

// lookUp counts the query and returns what the test said of the name.
func (s *NameServer) lookUp(asked string) nameRecord {
	asked = fullName(asked)
	s.mu.Lock()
	defer s.mu.Unlock()
	for name, r := range s.names {
		// A resolver may add the machine's search domains to a name.
		if asked == name || strings.HasPrefix(asked, name) {
			s.queries[name]++
			return r
		}
	}
	s.queries[asked]++
	return nameRecord{fault: NXDomain}
}
