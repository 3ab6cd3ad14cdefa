package robustclient_test

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/big"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	robustclient "workbook.example/labs/06-robust-client"
	"workbook.example/tools/labtest"
)

// worthIt says that err is worth another try, and also when it is wrapped.
func worthIt(t *labtest.T, what string, err error) { t.Helper(); judged(t, what, err, true) }

// final says that err is not.
func final(t *labtest.T, what string, err error) { t.Helper(); judged(t, what, err, false) }

func judged(t *labtest.T, what string, err error, want bool) {
	t.Helper()
	if err == nil {
		t.Fatalf("%s gave no error", what)
	}
	verdict := map[bool]string{true: "worth another try", false: "final"}
	if got := robustclient.Retryable(err); got != want {
		t.Broken("%s (%v): Retryable says that it is %s; expected %s.", what, orNil(err), verdict[got], verdict[want])
	}
	wrapped := fmt.Errorf("while connecting: %w", err)
	if robustclient.Retryable(wrapped) != want {
		t.Broken("%s, wrapped once more with %%w: Retryable says that it is %s; expected %s, as without the wrapping.", what, verdict[!want], verdict[want])
	}
}

// dialError is the error of a connect to addr.
func dialError(ctx context.Context, d *net.Dialer, network, addr string) error {
	conn, err := d.DialContext(ctx, network, addr)
	if err == nil {
		conn.Close()
	}
	return err
}

func TestTroubleThatPassesIsRetried(tt *testing.T) {
	t := labtest.Begin(tt)
	worthIt(t, "A connect where nobody listens", refused)
	for what, errno := range map[string]syscall.Errno{
		"A connect where nobody listens":         syscall.ECONNREFUSED,
		"A connection that was reset":            syscall.ECONNRESET,
		"A write to somebody who is gone":        syscall.EPIPE,
		"A connection that was aborted":          syscall.ECONNABORTED,
		"A connect that the kernel gave up":      syscall.ETIMEDOUT,
		"A host that cannot be reached just now": syscall.EHOSTUNREACH,
		"A network that cannot be reached":       syscall.ENETUNREACH,
		"A machine that is short of ports":       syscall.EADDRNOTAVAIL,
		"A process that is short of descriptors": syscall.EMFILE,
	} {
		worthIt(t, what, errno)
		worthIt(t, what, &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", errno)})
	}
}

func TestRealRefusalAndResetAreRetried(tt *testing.T) {
	t := labtest.Begin(tt)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	defer l.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatalf("dial: %v", err)
	}
	defer conn.Close()
	server, err := l.Accept()
	if err != nil {
		t.Fatalf("accept: %v", err)
	}
	server.(*net.TCPConn).SetLinger(0)
	server.Close()
	conn.SetDeadline(time.Now().Add(labtest.Patience))
	_, err = conn.Read(make([]byte, 1))
	worthIt(t, "A read from a connection that the server has reset", err)
	l.Close()
	if err := dialError(background, new(net.Dialer), "tcp", l.Addr().String()); err != nil {
		worthIt(t, "A connect to a port where nobody listens any more", err)
	}
}

func TestEndOfTheConnectionIsRetried(tt *testing.T) {
	t := labtest.Begin(tt)
	worthIt(t, "The end of what the server sends", io.EOF)
	worthIt(t, "The end of what the server sends, within a message", io.ErrUnexpectedEOF)
	worthIt(t, "A deadline of the connection", os.ErrDeadlineExceeded)
	worthIt(t, "A read that took too long", &net.OpError{Op: "read", Net: "tcp", Err: os.ErrDeadlineExceeded})
}

func TestOwnCloseIsFinal(tt *testing.T) {
	t := labtest.Begin(tt)
	near, far := net.Pipe()
	far.Close()
	near.Close()
	final(t, "A read from a connection that was closed on this side", &net.OpError{Op: "read", Net: "tcp", Err: net.ErrClosed})
}

func TestUnknownNameIsFinal(tt *testing.T) {
	t := labtest.Begin(tt)
	names := t.NameServer()
	d := &net.Dialer{Resolver: names.Resolver(), Timeout: labtest.Patience}
	names.Fail("gone.test", labtest.NXDomain)
	final(t, "A name that does not exist", dialError(background, d, "tcp", "gone.test:80"))
	names.Fail("empty.test", labtest.NoData)
	final(t, "A name that has no address", dialError(background, d, "tcp", "empty.test:80"))
	// Such as a name that cannot be one, or an answer that cannot be read.
	final(t, "A name error with none of its flags", &net.DNSError{Err: "cannot unmarshal DNS message", Name: "chat.test"})
}

func TestNameServersTroubleIsRetried(tt *testing.T) {
	t := labtest.Begin(tt)
	names := t.NameServer()
	names.Fail("chat.test", labtest.ServFail)
	worthIt(t, "A name server that cannot say just now (SERVFAIL)", dialError(background, &net.Dialer{Resolver: names.Resolver()}, "tcp", "chat.test:80"))
	names.Fail("chat.test", labtest.Silent)
	worthIt(t, "A name server that does not answer", dialError(background, &net.Dialer{Resolver: names.Resolver(), Timeout: 50 * time.Millisecond}, "tcp", "chat.test:80"))
	// As getaddrinfo(3) says EAI_AGAIN.
	worthIt(t, "A temporary failure in name resolution", &net.DNSError{Err: "server misbehaving", Name: "chat.test", IsTemporary: true})
}

func TestBadAddressIsFinal(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, c := range []struct{ what, network, addr string }{
		{"A port that is too large", "tcp", "127.0.0.1:70000"},
		{"A port that is negative", "tcp", "127.0.0.1:-1"},
		{"An address without a port", "tcp", "127.0.0.1"},
		{"A network that does not exist", "tpc", "127.0.0.1:80"},
		{"A Unix socket that does not exist", "unix", t.TempDir() + "/nobody"},
	} {
		final(t, c.what, dialError(background, new(net.Dialer), c.network, c.addr))
	}
}

func TestEndOfTheContextIsFinal(tt *testing.T) {
	t := labtest.Begin(tt)
	final(t, "A context that was cancelled", context.Canceled)
	final(t, "A context whose deadline has passed", context.DeadlineExceeded)
	ctx, cancel := context.WithCancel(background)
	cancel()
	final(t, "A connect whose context was cancelled", dialError(ctx, new(net.Dialer), "tcp", "127.0.0.1:80"))
}

func TestTimeoutOfAConnectIsRetried(tt *testing.T) {
	t := labtest.Begin(tt)
	// To errors.Is it is context.DeadlineExceeded, and not os.ErrDeadlineExceeded.
	worthIt(t, "A connect that took too long", &net.OpError{Op: "dial", Net: "tcp", Err: context.DeadlineExceeded})
	full := t.FullListener("tcp4")
	worthIt(t, "A connect that nobody answered in time", dialError(background, &net.Dialer{Timeout: 20 * time.Millisecond}, "tcp", full.Addr()))
}

func TestWrongCertificateIsFinal(tt *testing.T) {
	t := labtest.Begin(tt)
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate(t, "somebody.test")}})
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	defer l.Close()
	go func() {
		conn, err := l.Accept()
		if err == nil {
			conn.(*tls.Conn).Handshake()
			conn.Close()
		}
	}()
	d := &tls.Dialer{NetDialer: &net.Dialer{Timeout: labtest.Patience}, Config: &tls.Config{ServerName: "somebody.test", RootCAs: x509.NewCertPool()}}
	conn, err := d.DialContext(background, "tcp", l.Addr().String())
	if err == nil {
		conn.Close()
	}
	final(t, "A server whose certificate nobody vouches for", err)
	final(t, "A server with somebody else's certificate", x509.HostnameError{Certificate: new(x509.Certificate), Host: "chat.test"})
}

// certificate is one that is signed by itself.
func certificate(t *labtest.T, name string) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatalf("key: %v", err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatalf("certificate: %v", err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func TestUnknownErrorIsFinal(tt *testing.T) {
	t := labtest.Begin(tt)
	if robustclient.Retryable(nil) {
		t.Broken("Retryable(nil) says that it is worth another try; expected false: nothing has failed.")
	}
	final(t, "An error that nobody has heard of", errors.New("the moon is full"))
	final(t, "A permission that is missing", &net.OpError{Op: "dial", Net: "tcp", Err: os.NewSyscallError("connect", syscall.EACCES)})
	final(t, "A family of addresses that is not supported", os.NewSyscallError("socket", syscall.EAFNOSUPPORT))
	final(t, "An argument that makes no sense", os.NewSyscallError("connect", syscall.EINVAL))
	final(t, "A file that does not exist", fs.ErrNotExist)
}
