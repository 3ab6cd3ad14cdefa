package tcpclient

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"net"
)

// Secure makes a TLS connection (RFC 8446) of conn: the server must prove, with
// a certificate that config.RootCAs vouch for, that it is host, the name or IP
// address that the user asked for. config.ServerName, if set, is the name
// instead. config is not changed, so it may be shared.
//
// It returns when the handshake is over: until then nothing of ours may be
// sent. ctx is for the handshake and for nothing later. After an error conn is
// closed.
func Secure(ctx context.Context, conn net.Conn, host string, config *tls.Config) (net.Conn, error) {
	own := config.Clone()
	own.ServerName = cmp.Or(own.ServerName, host)
	proven := tls.Client(conn, own)
	if err := proven.HandshakeContext(ctx); err != nil {
		conn.Close()
		return nil, err
	}
	return proven, nil
}

// isUntrusted tells whether a handshake failed because the server could not
// prove who it is: another name, nobody to vouch for it, or no longer.
func isUntrusted(err error) bool {
	_, ok := errors.AsType[*tls.CertificateVerificationError](err)
	return ok
}

// cut closes conn at once. Close of a *tls.Conn would first try to say goodbye,
// for up to 5 s if the other side does not read.
func cut(conn net.Conn) {
	if secure, ok := conn.(interface{ NetConn() net.Conn }); ok {
		conn = secure.NetConn()
	}
	conn.Close()
}
