package sockettypes_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	sockettypes "workbook.example/labs/01-socket-types"
	"workbook.example/tools/labtest"
)

// listen calls Listen and expects a listener, which is closed when the test
// ends.
func listen(t *labtest.T, address string, o sockettypes.ListenOptions) *net.TCPListener {
	t.Helper()
	l, err := sockettypes.Listen(context.Background(), address, o)
	if err != nil {
		t.Broken("Listen on %s%s returned %s.", address, with(o), orNone(err))
	}
	if l == nil {
		t.Broken("Listen on %s%s returned neither a listener nor an error.", address, with(o))
	}
	t.Cleanup(func() { l.Close() })
	return l
}

// with is options in a sentence.
func with(o sockettypes.ListenOptions) string {
	var options []string
	if o.Backlog > 0 {
		options = append(options, fmt.Sprintf("a backlog of %d", o.Backlog))
	}
	if o.ReusePort {
		options = append(options, "ReusePort")
	}
	if o.V6Only {
		options = append(options, "V6Only")
	}
	if len(options) == 0 {
		return " with no options"
	}
	return " with " + strings.Join(options, " and ")
}

func TestListenerListens(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	t.NoLeaks()
	l := listen(t, "127.0.0.1:0", sockettypes.ListenOptions{})
	c, err := net.DialTimeout("tcp", l.Addr().String(), labtest.Patience)
	if err != nil {
		t.Broken("Listen returned a listener at %v, and nobody can connect to it: %v.", l.Addr(), err)
	}
	t.Cleanup(func() { c.Close() })
	deadlined(c)
	accept(t, l).Write([]byte("x"))
	if _, err := c.Read(make([]byte, 1)); err != nil {
		t.Broken("Somebody connected to the listener, and could not read what was sent to them: %v.", err)
	}
}

func TestClosedListenerIsClosed(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	t.NoLeaks()
	for _, o := range []sockettypes.ListenOptions{{}, {Backlog: 5}} {
		l := listen(t, "127.0.0.1:0", o)
		began, woken := make(chan bool), make(chan error, 1)
		go func() {
			close(began)
			c, err := l.Accept()
			if err == nil {
				c.Close()
			}
			woken <- err
		}()
		<-began
		select {
		case err := <-woken:
			t.Broken("Nobody connected to a listener%s, and Accept did not wait: it gave %s.", with(o), orNone(err))
		case <-time.After(20 * time.Millisecond): // so that it does wait; if it does not yet, the law holds all the same
		}
		go l.Close() // which may wait, too
		select {
		case err := <-woken:
			if !errors.Is(err, net.ErrClosed) {
				t.Broken("A listener%s was closed while Accept waited, and Accept gave %s; expected one in which errors.Is finds net.ErrClosed.", with(o), orNone(err))
			}
		case <-time.After(labtest.Patience):
			canConnect("127.0.0.1", l) // wakes it after all, or nothing could end
			t.Broken("A listener%s was closed while Accept waited, and Accept still waits 2 s later.", with(o))
		}
		t.Eventually("That nobody can connect any more to a listener"+with(o)+" that was closed", func() bool {
			return errors.Is(canConnect("127.0.0.1", l), unix.ECONNREFUSED)
		})
	}
}

func TestPortBelongsToOneListener(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	t.NoLeaks()
	share := sockettypes.ListenOptions{ReusePort: true}
	alone := sockettypes.ListenOptions{}
	for _, both := range [][2]sockettypes.ListenOptions{{alone, alone}, {share, alone}, {alone, share}} {
		first := listen(t, "127.0.0.1:0", both[0])
		second, err := sockettypes.Listen(context.Background(), first.Addr().String(), both[1])
		if err == nil {
			second.Close()
		}
		if !errors.Is(err, unix.EADDRINUSE) {
			t.Broken("A listener%s had the port, and Listen on it%s returned %s; expected one in which errors.Is finds unix.EADDRINUSE.",
				with(both[0]), with(both[1]), orNone(err))
		}
	}
}

func TestReusePortSharesTheConnections(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	share := sockettypes.ListenOptions{ReusePort: true}
	first := listen(t, "127.0.0.1:0", share)
	second, err := sockettypes.Listen(context.Background(), first.Addr().String(), share)
	if err != nil {
		t.Broken("A listener with ReusePort had the port, and Listen on it with ReusePort returned %s; expected that both have it.", orNone(err))
	}
	t.Cleanup(func() { second.Close() })
	// The kernel deals by the addresses and ports of both ends, so which one
	// gets a connection is chance; that one gets none of 64 is not.
	const dialled = 64
	got := make(chan *net.TCPListener, 2*dialled)
	for _, l := range []*net.TCPListener{first, second} {
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				got <- l
				c.Close()
			}
		}()
	}
	count := map[*net.TCPListener]int{}
	for range dialled {
		dialTCP(t, first.Addr().String())
		select {
		case l := <-got:
			count[l]++
		case <-time.After(labtest.Patience):
			t.Broken("Two listeners have the port, somebody connected to it, and neither accepted them within 2 s.")
		}
	}
	if count[first] == 0 || count[second] == 0 {
		t.Broken("Two listeners have the port. Of %d connections one of them got %d and the other %d; expected that both get some.", dialled, count[first], count[second])
	}
}

func TestRestartedListenerGetsItsPort(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	for _, o := range []sockettypes.ListenOptions{{}, {ReusePort: true}} {
		l := listen(t, "127.0.0.1:0", o)
		address := l.Addr().String()
		c := dialTCP(t, address)
		far := accept(t, l)
		// The end that closes first keeps the address for a minute, in the
		// state TIME-WAIT (RFC 9293, 3.6.1).
		far.Close()
		if _, err := c.Read(make([]byte, 1)); err == nil {
			t.Fatalf("The connection was closed, and something was read from it.")
		}
		c.Close()
		l.Close()
		again, err := sockettypes.Listen(context.Background(), address, o)
		if err != nil {
			t.Broken("A server that had just served a client was started again, and Listen on the same port%s returned %s.", with(o), orNone(err))
		}
		again.Close()
	}
}

// hasIPv6 ends the test where there is no IPv6.
func hasIPv6(t *labtest.T) {
	t.Helper()
	l, err := net.Listen("tcp6", "[::1]:0")
	if err != nil {
		noIPv6(t)
	}
	l.Close()
}

// canConnect says whether somebody listens on a port at host.
func canConnect(host string, l *net.TCPListener) error {
	_, port, _ := net.SplitHostPort(l.Addr().String())
	c, err := net.DialTimeout("tcp", net.JoinHostPort(host, port), labtest.Patience)
	if err == nil {
		c.Close()
	}
	return err
}

func TestEveryAddressIsBothFamilies(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	hasIPv6(t)
	for _, address := range []string{"[::]:0", ":0"} {
		l := listen(t, address, sockettypes.ListenOptions{})
		for _, host := range []string{"127.0.0.1", "::1"} {
			if err := canConnect(host, l); err != nil {
				t.Broken("Listen on %s was asked for nothing special, and nobody can connect to it at %s: %v.", address, host, err)
			}
			accept(t, l) // so that it takes no room in the backlog
		}
	}
}

func TestV6OnlyKeepsIPv4Away(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	hasIPv6(t)
	l := listen(t, "[::]:0", sockettypes.ListenOptions{V6Only: true})
	if err := canConnect("::1", l); err != nil {
		t.Broken("Nobody can connect at ::1 to a listener on [::] with V6Only: %v.", err)
	}
	if err := canConnect("127.0.0.1", l); !errors.Is(err, unix.ECONNREFUSED) {
		t.Broken("Somebody connected at 127.0.0.1 to a listener on [::] with V6Only, and got %s; expected %q.", orNone(err), unix.ECONNREFUSED)
	}
	// So the same port of IPv4 is free for somebody else.
	_, port, _ := net.SplitHostPort(l.Addr().String())
	other, err := net.Listen("tcp4", net.JoinHostPort("127.0.0.1", port))
	if err != nil && !errors.Is(err, unix.EADDRINUSE) { // or another program has it, by chance
		t.Broken("A listener on [::] with V6Only keeps the same port of IPv4 from others: %v.", err)
	}
	if err == nil {
		other.Close()
	}
}

func TestOptionThatCannotBeHadIsAnError(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	t.NoLeaks()
	for _, o := range []sockettypes.ListenOptions{{V6Only: true}, {V6Only: true, ReusePort: true}, {V6Only: true, Backlog: 5}} {
		l, err := sockettypes.Listen(context.Background(), "127.0.0.1:0", o)
		if err == nil {
			l.Close()
			t.Broken("Listen on 127.0.0.1%s returned no error; that address is of IPv4, and the kernel refuses V6Only.", with(o))
		}
	}
}

func TestBacklogIsHowManyMayWait(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	for _, backlog := range []int{1, 5} {
		l := listen(t, "127.0.0.1:0", sockettypes.ListenOptions{Backlog: backlog})
		// Nobody accepts. The kernel lets in backlog + 1, and drops what the
		// next one sends, so that they try again later.
		for i := range backlog + 1 {
			c, err := net.DialTimeout("tcp", l.Addr().String(), labtest.Patience)
			if err != nil {
				t.Broken("With a backlog of %d, client %d could not connect: %v. The kernel lets in %d.", backlog, i+1, err, backlog+1)
			}
			t.Cleanup(func() { c.Close() })
		}
		if letIn(l.Addr(), 100*time.Millisecond) {
			t.Broken("With a backlog of %d, and nobody accepted, client %d was let in; the kernel lets in %d and makes the next one wait.", backlog, backlog+2, backlog+1)
		}
		// When there is room again, they are in.
		accept(t, l)
		if !letIn(l.Addr(), labtest.Patience) {
			t.Broken("With a backlog of %d one of those who waited was accepted, and nobody can take their place.", backlog)
		}
	}
	l := listen(t, "127.0.0.1:0", sockettypes.ListenOptions{})
	for i := range 20 {
		if !letIn(l.Addr(), labtest.Patience) {
			t.Broken("With a backlog of 0 in the options, and nobody accepted, %s let in, and the next one hangs; a backlog of 0 there means the system's own limit, which is far higher.", clients(i))
		}
	}
}

// clients is so many clients, and their verb.
func clients(n int) string {
	if n == 1 {
		return "1 client was"
	}
	return fmt.Sprintf("%d clients were", n)
}

// letIn says whether one more client is let in within a time.
func letIn(addr net.Addr, within time.Duration) bool {
	c, err := net.DialTimeout("tcp", addr.String(), within)
	if err == nil {
		c.Close()
	}
	return err == nil
}
