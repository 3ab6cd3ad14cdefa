package tcpclient_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
)

// Lab 2's server knows no TLS. As in many a house, somebody else speaks it at
// the door.

// startDoor speaks TLS on an ephemeral port and passes on what it hears to
// target. Its certificate is for 127.0.0.1, and vouches for itself.
func startDoor(t *testing.T, target string) (addr, certificate string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	require.NoError(t, err)
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: "door"}, IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	require.NoError(t, err)
	certificate = filepath.Join(t.TempDir(), "door.pem")
	require.NoError(t, os.WriteFile(certificate, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), 0o600))

	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}})
	require.NoError(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			outside, err := l.Accept()
			if err != nil {
				return
			}
			go pass(outside.(*tls.Conn), target)
		}
	}()
	return l.Addr().String(), certificate
}

// pass passes bytes on, both ways, and the ends of both ways.
func pass(outside *tls.Conn, target string) {
	defer outside.Close()
	inside, err := net.Dial("tcp", target)
	if err != nil {
		return
	}
	defer inside.Close()
	go func() {
		io.Copy(inside, outside)
		inside.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(outside, inside)
	outside.CloseWrite()
}

func TestChatOverTLS(t *testing.T) {
	addr, _ := startChatd(t)
	bob := join(t, addr, "bob")
	door, certificate := startDoor(t, addr)

	alice := startChat(t, "-addr", door, "-name", "alice", "-tls", "-ca", certificate)
	alice.shows(t, "welcome, alice")
	fmt.Fprintln(alice.keys, "nobody reads along")
	alice.shows(t, "✓ 1")
	require.Equal(t, "nobody reads along", bob.hears(t, "chat_message").Content)
	fmt.Fprintln(alice.keys, "/quit")
	require.Empty(t, alice.ends(t, 0))
	require.Equal(t, "alice", bob.hears(t, "left").Username)

	require.Contains(t, startChat(t, "-addr", door, "-name", "alice", "-tls").ends(t, 1), "cannot prove that it is who it should be")
	require.Contains(t, startChat(t, "-addr", addr, "-name", "alice", "-tls", "-ca", certificate, "-timeout", "1s").ends(t, 1), "does not talk TLS")
	require.Contains(t, startChat(t, "-addr", door, "-name", "alice", "-tls", "-ca", os.Args[0]).ends(t, 2), "no certificate")
}
