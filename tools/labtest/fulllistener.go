package labtest

import (
	"context"
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
// ends; network is "tcp4" (127.0.0.1) or "tcp6" ([::1]). Where that cannot be
// had, on Windows or without IPv6, the test is not run.
func (t *T) FullListener(network string) *FullListener {
	t.Helper()
	l, err := listenFull(network)
	if err != nil {
		t.NotRun(fmt.Sprintf(saidNoFull, network, err), "")
	}
	t.Cleanup(l.close)
	return l
}

func listenFull(network string) (*FullListener, error) {
	host := map[string]string{"tcp4": "127.0.0.1:0", "tcp6": "[::1]:0"}[network]
	var lc net.ListenConfig
	lc.SetMultipathTCP(false)
	inner, err := lc.Listen(context.Background(), network, host)
	if err != nil {
		return nil, err
	}
	l := &FullListener{listener: inner.(*net.TCPListener)}
	if err := l.fill(network); err != nil {
		l.close()
		return nil, err
	}
	return l, nil
}

func (l *FullListener) close() {
	for _, c := range l.conns {
		c.Close()
	}
	l.listener.Close()
}

// Addr is where the listener is, host:port.
func (l *FullListener) Addr() string { return l.listener.Addr().String() }
