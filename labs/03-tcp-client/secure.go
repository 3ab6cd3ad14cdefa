package tcpclient

import (
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
	conn.Close()
	return nil, errors.New("Secure: not implemented yet (labs/03-tcp-client/README.md#8-tls)")
}

// isUntrusted tells whether a handshake failed because the server could not
// prove who it is: another name, nobody to vouch for it, or no longer.
func isUntrusted(err error) bool {
	return false
}

// cut closes conn at once. Close of a *tls.Conn would first try to say goodbye,
// for up to 5 s if the other side does not read.
func cut(conn net.Conn) {
	conn.Close()
}
