package labtest

import (
	"fmt"
	"net"
)

// FullListener is a listener that takes no connection any more: a connect to
// it gets no answer and waits, as with a machine that is gone, but without a
// packet that leaves this one.
type FullListener struct {
	listener *net.TCPListener
	conns    []net.Conn // what fills it; kept, for Go closes what nobody refers to
}

// FullListener listens with a full backlog on an ephemeral port until the test
// ends; network is "tcp4" (127.0.0.1) or "tcp6" ([::1]). Only Linux leaves
// connects unanswered then; elsewhere the test is not run.
func (t *T) FullListener(network string) *FullListener {
	t.Helper()
	l, err := listenFull(network)
	if err != nil {
		t.NotRun(fmt.Sprintf(saidNoFull, network, err), remedyLinux)
	}
	t.Cleanup(func() {
		for _, c := range l.conns {
			c.Close()
		}
		l.listener.Close()
	})
	return l
}

// Addr is where the listener is, host:port.
func (l *FullListener) Addr() string { return l.listener.Addr().String() }
