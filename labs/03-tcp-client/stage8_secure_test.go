package tcpclient_test

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	tcpclient "workbook.example/labs/03-tcp-client"
	"workbook.example/tools/labtest"
)

// An authority vouches for servers: it signs their certificates.
type authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
}

func newAuthority(t *labtest.T, name string) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("key: %v", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatalf("certificate: %v", err)
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatalf("certificate: %v", err)
	}
	return &authority{certificate, key}
}

// trusted is a configuration that trusts a and nobody else.
func (a *authority) trusted() *tls.Config {
	roots := x509.NewCertPool()
	roots.AddCert(a.certificate)
	return &tls.Config{RootCAs: roots}
}

// vouch makes a certificate for a server with these names and IP addresses.
// change may spoil it before it is signed.
func (a *authority) vouch(t *labtest.T, hosts []string, change ...func(*x509.Certificate)) *tls.Config {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("key: %v", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(2), Subject: pkix.Name{CommonName: hosts[0]},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
	}
	for _, host := range hosts {
		if ip := net.ParseIP(host); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, host)
		}
	}
	for _, f := range change {
		f(template)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, &key.PublicKey, a.key)
	if err != nil {
		t.Fatalf("certificate: %v", err)
	}
	return &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}}
}

// A tlsServer speaks TLS on 127.0.0.1.
type tlsServer struct {
	addr     string
	accepted chan *tls.Conn // handshakes that went well
	refused  chan refusal   // and those that did not
}

// A refusal is a handshake that the client broke off.
type refusal struct {
	err error
	got []byte // all that came from the client, as it was on the wire
}

// A tap keeps what is read from a connection.
type tap struct {
	net.Conn
	got []byte
}

func (c *tap) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.got = append(c.got, b[:n]...)
	return n, err
}

// serveTLS serves until the test ends.
func serveTLS(t *labtest.T, config *tls.Config) *tlsServer {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	s := &tlsServer{addr: l.Addr().String(), accepted: make(chan *tls.Conn, 100), refused: make(chan refusal, 100)}
	var serving sync.WaitGroup
	t.Cleanup(serving.Wait)
	t.Cleanup(func() { l.Close() })
	serving.Go(func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			serving.Go(func() {
				wire := &tap{Conn: deadlined(conn)}
				secure := tls.Server(wire, config)
				if err := secure.Handshake(); err != nil {
					io.Copy(io.Discard, wire)
					s.refused <- refusal{err, wire.got}
					conn.Close()
					return
				}
				s.accepted <- secure
			})
		}
	})
	return s
}

// peer is the server's end of the next connection.
func (s *tlsServer) peer(t *labtest.T) *labtest.Peer {
	t.Helper()
	select {
	case conn := <-s.accepted:
		return t.Peer("server", conn)
	case r := <-s.refused:
		t.Broken("The client broke off the handshake: the server reports %q.", r.err)
	case <-time.After(labtest.Patience):
		t.Broken("No handshake came to its end within %v.", labtest.Patience)
	}
	return nil
}

// secure connects to addr and calls Secure.
func secure(t *labtest.T, ctx context.Context, addr, host string, config *tls.Config) (conn net.Conn, plain net.Conn, err error) {
	t.Helper()
	plain, dialled := net.Dial("tcp", addr)
	if dialled != nil {
		t.Fatalf("dial: %v", dialled)
	}
	t.Cleanup(func() { plain.Close() })
	t.Returns("Secure", func() { conn, err = tcpclient.Secure(ctx, plain, host, config) })
	if t.Failed() {
		t.FailNow()
	}
	if err == nil && conn == nil {
		t.Broken("Secure returned neither a connection nor an error.")
	}
	if err == nil {
		t.Cleanup(func() { conn.Close() })
	}
	return conn, plain, err
}

// refuses checks that Secure does not trust a server, and leaves nothing open.
func refuses(t *labtest.T, what, host string, server, client *tls.Config) error {
	t.Helper()
	s := serveTLS(t, server)
	conn, plain, err := secure(t, within(t), s.addr, host, client)
	if err == nil {
		// Perhaps only the first write would have told.
		conn.Write([]byte(`{"type":"login","username":"alice","password":"x"}` + "\n"))
		t.Broken("%s, and Secure returned a connection and no error.", what)
	}
	if got := tcpclient.Why(err); got != tcpclient.Untrusted {
		t.Broken("%s, and Secure returned the error %q. Why says %s; expected Untrusted.", what, err, name(got))
	}
	if _, err := plain.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Broken("%s, and Secure returned an error, but left the connection open.", what)
	}
	return err
}

func TestProvenServerIsTrusted(tt *testing.T) {
	t := begin(tt)
	ca := newAuthority(t, "Test authority")
	s := serveTLS(t, ca.vouch(t, []string{"chat.test", "127.0.0.1"}))
	for _, host := range []string{"chat.test", "127.0.0.1"} {
		conn, _, err := secure(t, within(t), s.addr, host, ca.trusted())
		if err != nil {
			t.Broken("The server has a certificate for %s from an authority that is trusted, and Secure returned the error %q.", host, err)
		}
		conversation(t, conn, s.peer(t), "Secure had returned")
	}
	// The name may be told apart from the address.
	config := ca.trusted()
	config.ServerName = "chat.test"
	if _, _, err := secure(t, within(t), s.addr, "somewhere.test", config); err != nil {
		t.Broken("ServerName is the server's name, and Secure returned the error %q.", err)
	}
}

func TestWrongNameIsRefused(tt *testing.T) {
	t := begin(tt)
	ca := newAuthority(t, "Test authority")
	server := ca.vouch(t, []string{"other.test"})
	for _, host := range []string{"chat.test", "127.0.0.1"} {
		err := refuses(t, fmt.Sprintf("The server's certificate is for other.test, and the user asked for %s", host), host, server, ca.trusted())
		if _, ok := errors.AsType[x509.HostnameError](err); !ok {
			t.Broken("The server's certificate is for another name, and Secure returned the error %q, in which errors.As finds no x509.HostnameError.", err)
		}
	}
}

func TestUnknownAuthorityIsRefused(tt *testing.T) {
	t := begin(tt)
	ours, theirs := newAuthority(t, "Test authority"), newAuthority(t, "Test authority")
	err := refuses(t, "The server's certificate is from an authority that nobody here trusts, though it has the same name as one", "chat.test",
		theirs.vouch(t, []string{"chat.test"}), ours.trusted())
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); !ok {
		t.Broken("The server's certificate is from an unknown authority, and Secure returned the error %q, in which errors.As finds no x509.UnknownAuthorityError.", err)
	}
}

func TestExpiredCertificateIsRefused(tt *testing.T) {
	t := begin(tt)
	ca := newAuthority(t, "Test authority")
	for what, change := range map[string]func(*x509.Certificate){
		"The server's certificate ran out a minute ago": func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) },
		"The server's certificate is valid from tomorrow": func(c *x509.Certificate) {
			c.NotBefore, c.NotAfter = time.Now().Add(24*time.Hour), time.Now().Add(48*time.Hour)
		},
		"The server's certificate is for clients only": func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} },
	} {
		refuses(t, what, "chat.test", ca.vouch(t, []string{"chat.test"}, change), ca.trusted())
	}
}

func TestNameIsTheOneThatWasAskedFor(tt *testing.T) {
	t := begin(tt)
	t.Needs(1, 3)
	names := t.NameServer()
	names.Answer("chat.test", "127.0.0.1")
	names.Answer("evil.test", "127.0.0.1")
	ca := newAuthority(t, "Test authority")
	// That the certificate is good for the address must not count: an address
	// comes from name service, which anybody can be.
	s := serveTLS(t, ca.vouch(t, []string{"chat.test", "127.0.0.1"}))
	for name, good := range map[string]bool{"chat.test": true, "evil.test": false} {
		c := newClient(t, func(o *tcpclient.Options) {
			o.Dialer.Resolver = names.Resolver()
			o.TLS = ca.trusted()
		})
		var err error
		t.Returns("Connect", func() { err = c.Connect(within(t), net.JoinHostPort(name, portOf(s.addr))) })
		switch {
		case good && err != nil:
			t.Broken("The server is %s, as its certificate says, and Connect returned the error %q.", name, err)
		case !good && tcpclient.Why(err) != tcpclient.Untrusted:
			t.Broken("The user asked for %s, and got to a server whose certificate is for chat.test and 127.0.0.1. Connect returned %s; expected that it is not trusted.", name, orNil(err))
		}
	}
}

func TestNothingIsSentBeforeTheProof(tt *testing.T) {
	t := begin(tt)
	t.Needs(1, 3)
	ca := newAuthority(t, "Test authority")
	s := serveTLS(t, ca.vouch(t, []string{"other.test"}))
	c := newClient(t, func(o *tcpclient.Options) { o.TLS = ca.trusted() })
	var err error
	t.Returns("Connect", func() { err = c.Connect(within(t), s.addr) })
	if err == nil {
		c.Send(within(t), tcpclient.Request{Type: tcpclient.TypeLogin, Username: "alice", Password: "open sesame"})
		hangUp(c)
		for range 2 { // it may have connected again
			select {
			case conn := <-s.accepted:
				line, _ := readLine(conn)
				t.Broken("The server's certificate is for other.test. Connect returned no error, and a login was sent to the server: %s", line)
			case r := <-s.refused:
				if bytes.Contains(r.got, []byte("open sesame")) {
					t.Broken("The server's certificate is for other.test. Connect returned no error, and a login was sent to the server, in clear: %s", r.got)
				}
			case <-time.After(labtest.Patience / 4):
			}
		}
		t.Broken("The server's certificate is for other.test, and Connect returned no error.")
	}
	if r := next(t, "The end of the handshake", s.refused); bytes.Contains(r.got, []byte("type")) {
		t.Broken("The handshake failed, and then the client sent in clear: %q.", r.got)
	}
	if sent := c.Send(within(t), say("hi")); !errors.Is(sent, tcpclient.ErrNotConnected) {
		t.Broken("Connect failed, and then Send returned %s; expected ErrNotConnected.", orNil(sent))
	}
}

func TestSilentHandshakeEnds(tt *testing.T) {
	t := begin(tt)
	t.Needs(1, 3)
	ca := newAuthority(t, "Test authority")
	srv := t.Server("server") // accepts, and says nothing
	t.NoLeaks()
	ctx, cancel := context.WithTimeout(context.Background(), 50*ms)
	defer cancel()
	_, plain, err := secure(t, ctx, srv.Addr(), "chat.test", ca.trusted())
	if got := tcpclient.Why(err); got != tcpclient.TimedOut {
		t.Broken("The server says nothing, and Secure, for 50 ms, returned %s. Why says %s; expected TimedOut.", orNil(err), name(got))
	}
	if _, err := plain.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
		t.Broken("The handshake was given up, but the connection was left open.")
	}

	c := newClient(t, func(o *tcpclient.Options) { o.TLS = ca.trusted() })
	ctx, cancel = context.WithTimeout(context.Background(), 50*ms)
	defer cancel()
	t.Returns("Connect, for 50 ms, to a server that says nothing in the handshake,", func() { err = c.Connect(ctx, srv.Addr()) })
	if got := tcpclient.Why(err); got != tcpclient.TimedOut {
		t.Broken("The server says nothing in the handshake, and Connect, for 50 ms, returned %s. Why says %s; expected TimedOut.", orNil(err), name(got))
	}
}

func TestHandshakeContextIsForTheHandshake(tt *testing.T) {
	t := begin(tt)
	ca := newAuthority(t, "Test authority")
	var s *tlsServer
	var conn net.Conn
	inTime(t, func(ctx context.Context) (err error) {
		s = serveTLS(t, ca.vouch(t, []string{"chat.test"}))
		conn, _, err = secure(t, ctx, s.addr, "chat.test", ca.trusted())
		return err
	})
	conversation(t, conn, s.peer(t), "Secure had returned, and then its context's time was over")
}

func TestConfigIsOnlyRead(tt *testing.T) {
	t := begin(tt)
	ca := newAuthority(t, "Test authority")
	one, two := serveTLS(t, ca.vouch(t, []string{"one.test"})), serveTLS(t, ca.vouch(t, []string{"two.test"}))
	config := ca.trusted()
	for range 2 {
		for host, s := range map[string]*tlsServer{"one.test": one, "two.test": two} {
			if _, _, err := secure(t, within(t), s.addr, host, config); err != nil {
				t.Broken("One configuration was used for one.test and two.test, in turns, and Secure of %s returned the error %q.", host, err)
			}
			if config.ServerName != "" {
				t.Broken("Secure wrote the ServerName %s into the caller's configuration.", config.ServerName)
			}
		}
	}
}

func TestCloseOverTLS(tt *testing.T) {
	t := begin(tt)
	t.Needs(1, 3, 4, 5, 6, 7)
	ca := newAuthority(t, "Test authority")
	s := serveTLS(t, ca.vouch(t, []string{"127.0.0.1"}))
	t.NoLeaks()
	c := newClient(t, func(o *tcpclient.Options) { o.TLS = ca.trusted() })
	connect(t, c, within(t), s.addr)
	server := s.peer(t)
	said := contents(c)
	returned := closing(c, within(t))
	answerLogout(server) // with TLS the client's end is a close_notify
	server.SendTogether(chatMessage(1, "one"), chatMessage(2, "two"))
	server.Close()
	hears(t, said, "one", "two")
	if err := next(t, "The return of Close", returned); err != nil {
		t.Broken("Client and server parted in good order over TLS, and Close returned %s.", orNil(err))
	}
	lostOnce(t, c, "The client was closed", tcpclient.ErrClosed)
}

func TestStuckTLSIsCutAtOnce(tt *testing.T) {
	t := begin(tt)
	t.Needs(3, 5, 6, 7)
	ca := newAuthority(t, "Test authority")
	s := serveTLS(t, ca.vouch(t, []string{"chat.test"}))
	plain, err := net.Dial("tcp", s.addr)
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	// After the handshake whatever is written gets stuck.
	stuck, other := net.Pipe()
	defer other.Close()
	defer stuck.Close()
	var isStuck atomic.Bool
	conn, err := tcpclient.Secure(within(t), &tamperedConn{
		Conn: plain,
		write: func(b []byte) (int, error) {
			if isStuck.Load() {
				return stuck.Write(b)
			}
			return plain.Write(b)
		},
		setWriteDeadline: func(when time.Time) error {
			return errors.Join(plain.SetWriteDeadline(when), stuck.SetWriteDeadline(when))
		},
	}, "chat.test", ca.trusted())
	if err != nil {
		t.Broken("The server's certificate is good, and Secure returned the error %q.", err)
	}
	s.peer(t)
	isStuck.Store(true)
	c := newClient(t)
	run(t, c, conn)
	t.Returns("Close, of a TLS connection on which nothing can be sent, with a context that has ended,", func() { hangUp(c) })
	ends(t, c, "Close has cut the connection")
}
