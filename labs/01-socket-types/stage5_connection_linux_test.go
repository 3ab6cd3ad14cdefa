package sockettypes_test

import (
	"context"
	"errors"
	"io"
	"net"
	"os"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	sockettypes "workbook.example/labs/01-socket-types"
	"workbook.example/tools/labtest"
)

func TestPolicyIsKept(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2, 3)
	near, _ := connect(t)
	type reading struct {
		option      string
		level, name int
		want        int
		kept        bool // Tune is to leave it as it was
	}
	for _, try := range []struct {
		policy sockettypes.Policy
		want   []reading
	}{
		{
			sockettypes.Policy{
				NoDelay:     false,
				KeepAlive:   net.KeepAliveConfig{Enable: true, Idle: 20 * time.Second, Interval: 5 * time.Second, Count: 4},
				UserTimeout: 1500 * time.Millisecond,
			},
			[]reading{
				{option: "TCP_NODELAY", level: unix.IPPROTO_TCP, name: unix.TCP_NODELAY, want: 0},
				{option: "SO_KEEPALIVE", level: unix.SOL_SOCKET, name: unix.SO_KEEPALIVE, want: 1},
				{option: "TCP_KEEPIDLE", level: unix.IPPROTO_TCP, name: unix.TCP_KEEPIDLE, want: 20},
				{option: "TCP_KEEPINTVL", level: unix.IPPROTO_TCP, name: unix.TCP_KEEPINTVL, want: 5},
				{option: "TCP_KEEPCNT", level: unix.IPPROTO_TCP, name: unix.TCP_KEEPCNT, want: 4},
				{option: "TCP_USER_TIMEOUT", level: unix.IPPROTO_TCP, name: unix.TCP_USER_TIMEOUT, want: 1500},
			},
		},
		{
			sockettypes.Policy{NoDelay: true, UserTimeout: 300 * time.Microsecond},
			[]reading{
				{option: "TCP_NODELAY", level: unix.IPPROTO_TCP, name: unix.TCP_NODELAY, want: 1},
				{option: "SO_KEEPALIVE", level: unix.SOL_SOCKET, name: unix.SO_KEEPALIVE, want: 0},
				{option: "TCP_USER_TIMEOUT", level: unix.IPPROTO_TCP, name: unix.TCP_USER_TIMEOUT, want: 1},
			},
		},
		{
			sockettypes.Policy{NoDelay: true},
			[]reading{{option: "TCP_USER_TIMEOUT", level: unix.IPPROTO_TCP, name: unix.TCP_USER_TIMEOUT, want: 1, kept: true}},
		},
	} {
		if err := sockettypes.Tune(near, try.policy); err != nil {
			t.Broken("Tune with %s returned %s.", inWords(try.policy), orNone(err))
		}
		for _, r := range try.want {
			if got := kernelSays(t, near, r.level, r.name); got != r.want {
				if r.kept {
					t.Broken("After Tune with %s the kernel says %d for %s; expected %d, as it was before Tune.", inWords(try.policy), got, r.option, r.want)
				}
				t.Broken("After Tune with %s the kernel says %d for %s; expected %d.", inWords(try.policy), got, r.option, r.want)
			}
		}
	}
}

// inWords is a policy in a sentence.
func inWords(p sockettypes.Policy) string {
	s := "no delay off"
	if p.NoDelay {
		s = "no delay on"
	}
	if k := p.KeepAlive; k.Enable {
		s += ", keepalive after " + k.Idle.String() + " every " + k.Interval.String()
	} else {
		s += ", keepalive off"
	}
	if p.UserTimeout > 0 {
		return s + " and a user timeout of " + p.UserTimeout.String()
	}
	return s + " and no word about the user timeout"
}

func TestUserTimeoutEndsADeadConnection(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2, 3)
	near, far := connect(t)
	if err := sockettypes.Tune(near, sockettypes.Policy{NoDelay: true, UserTimeout: 200 * time.Millisecond}); err != nil {
		t.Broken("Tune returned %s.", orNone(err))
	}
	deafen(t, far)
	if _, err := near.Write([]byte("are you there?")); err != nil {
		t.Fatalf("The connection has just been cut, and Write failed already: %v.", err)
	}
	deadlined(near)
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, unix.ETIMEDOUT) {
		t.Broken("With a user timeout of 200 ms, something was written to a connection whose other end is cut off. 2 s later Read gave %s; expected that the kernel gives up, with %q.", orNone(err), unix.ETIMEDOUT)
	}
}

func TestAbortIsAReset(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	near, far := connect(t)
	if _, err := near.Write([]byte("last words")); err != nil {
		t.Fatalf("%v", err)
	}
	t.Returns("Abort", func() {
		if err := sockettypes.Abort(near); err != nil {
			t.Broken("Abort returned %s.", orNone(err))
		}
	})
	deadlined(far)
	_, err := io.ReadAll(far)
	how := orNone(err)
	switch {
	case errors.Is(err, unix.ECONNRESET):
		return
	case err == nil:
		how = "an orderly end (FIN)"
	case errors.Is(err, os.ErrDeadlineExceeded):
		how = "no end within 2 s"
	}
	t.Broken("A connection was aborted, and the other end saw %s; expected a reset (RST), %q.", how, unix.ECONNRESET)
}

func TestAbortClosesTheSocket(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	t.NoLeaks()
	near, far := connect(t)
	// The other end does not read, and everything on the way is full.
	near.SetWriteDeadline(time.Now().Add(50 * time.Millisecond))
	near.Write(make([]byte, 32<<20))
	t.Returns("Abort of a connection with unsent bytes", func() { sockettypes.Abort(near) })
	if _, err := near.Read(make([]byte, 1)); !errors.Is(err, net.ErrClosed) {
		t.Broken("A connection was aborted, and reading from it gave %s; expected one in which errors.Is finds net.ErrClosed.", orNone(err))
	}
	far.Close()
}

func TestStateFollowsTheConnection(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	var config net.ListenConfig
	config.SetMultipathTCP(false) // so that it is TCP and nothing else that has the state
	plain, err := config.Listen(context.Background(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { plain.Close() })
	l := plain.(*net.TCPListener)
	expectState(t, "a listener", l, sockettypes.Listening)
	alice := dialTCP(t, l.Addr().String())
	bob := accept(t, l)
	expectState(t, "a connection that was just dialled", alice, sockettypes.Established)
	expectState(t, "a connection that was just accepted", bob, sockettypes.Established)
	bob.CloseWrite()
	if _, err := alice.Read(make([]byte, 1)); !errors.Is(err, io.EOF) {
		t.Fatalf("Bob has said all he wanted to, and Alice read %s.", orNone(err))
	}
	expectState(t, "a connection whose other end has said all it wanted to", alice, sockettypes.CloseWait)
	expectState(t, "a connection that has said all it wanted to, and the other end knows it", bob, sockettypes.FinWait2)
	alice.CloseWrite()
	expectState(t, "a connection of which both ends have said all they wanted to", alice, sockettypes.Closed)
}

// expectState waits until the kernel is in a state, and State says so.
func expectState(t *labtest.T, what string, c syscall.Conn, want sockettypes.TCPState) {
	t.Helper()
	for limit := time.Now().Add(labtest.Patience); ; time.Sleep(time.Millisecond) {
		before := kernelState(t, c)
		got, _, err := sockettypes.State(c)
		if err != nil {
			t.Broken("State of %s returned %s.", what, orNone(err))
		}
		after := kernelState(t, c) // what the other end answers may come in between
		switch {
		case before != after:
		case got != after:
			t.Broken("State of %s gave %v; the kernel says %v.", what, got, after)
		case got == want:
			return
		case time.Now().After(limit):
			t.Fatalf("The kernel has not come to the state %v within 2 s; it is in %v.", want, after)
		}
	}
}

func kernelState(t *labtest.T, c syscall.Conn) sockettypes.TCPState {
	t.Helper()
	return sockettypes.TCPState(tcpInfo(t, c).State)
}

func TestRoundTripIsTheKernels(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	near, far := connect(t)
	for range 5 {
		near.Write([]byte("ping"))
		far.Read(make([]byte, 4))
		far.Write([]byte("pong"))
		near.Read(make([]byte, 4))
	}
	// It may still change, as long as acknowledgements come in.
	var got, want time.Duration
	for range 100 {
		before := kernelRTT(t, near)
		var err error
		if _, got, err = sockettypes.State(near); err != nil {
			t.Broken("State of a connection returned %s.", orNone(err))
		}
		if want = kernelRTT(t, near); before == want {
			break
		}
	}
	if got != want {
		t.Broken("State of a connection gave the round-trip time %v; the kernel's estimate is %v.", got, want)
	}
}

func kernelRTT(t *labtest.T, c *net.TCPConn) time.Duration {
	t.Helper()
	return time.Duration(tcpInfo(t, c).Rtt) * time.Microsecond
}

func tcpInfo(t *labtest.T, c syscall.Conn) (info *unix.TCPInfo) {
	t.Helper()
	err := descriptor(c, func(fd int) (err error) {
		info, err = unix.GetsockoptTCPInfo(fd, unix.IPPROTO_TCP, unix.TCP_INFO)
		return err
	})
	if err != nil {
		t.Fatalf("The test could not read TCP_INFO: %v.", err)
	}
	return info
}

func TestWhatIsNoConnectionHasNoState(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
	udp := listenUDP(t)
	if state, _, err := sockettypes.State(udp); err == nil {
		t.Broken("State of a UDP socket returned %v and no error; UDP has no connections.", state)
	}
	near, _ := connect(t)
	near.Close()
	if state, _, err := sockettypes.State(near); !errors.Is(err, net.ErrClosed) {
		t.Broken("State of a connection that was closed returned %v and %s; expected one in which errors.Is finds net.ErrClosed.", state, orNone(err))
	}
}
