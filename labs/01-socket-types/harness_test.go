package sockettypes_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"testing"
	"time"

	sockettypes "workbook.example/labs/01-socket-types"
	"workbook.example/tools/labtest"
	"workbook.example/tools/sandbox"
)

// This file and its neighbour for Linux are what the stages' tests share.

func TestMain(m *testing.M) {
	sandbox.Init()
	playPart() // some tests start this program again, elsewhere
	os.Exit(m.Run())
}

// listenTCP listens on an ephemeral port of a loopback address, until the test
// ends.
func listenTCP(t *labtest.T, host string) *net.TCPListener {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil && host == "::1" {
		noIPv6(t)
	}
	if err != nil {
		t.Fatalf("listen: %v", err)
	}
	t.Cleanup(func() { l.Close() })
	return l.(*net.TCPListener)
}

func noIPv6(t *labtest.T) {
	t.NotRun("This machine has no IPv6 on its loopback interface.", "sudo sysctl net.ipv6.conf.lo.disable_ipv6=0")
}

// connect returns both ends of a TCP connection over 127.0.0.1, which stay open
// until the test ends.
func connect(t *labtest.T) (near, far *net.TCPConn) {
	t.Helper()
	l := listenTCP(t, "127.0.0.1")
	defer l.Close()
	near = dialTCP(t, l.Addr().String())
	far = accept(t, l)
	return near, far
}

func dialTCP(t *labtest.T, addr string) *net.TCPConn {
	t.Helper()
	c, err := net.DialTimeout("tcp", addr, labtest.Patience)
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { c.Close() })
	deadlined(c)
	return c.(*net.TCPConn)
}

func accept(t *labtest.T, l *net.TCPListener) *net.TCPConn {
	t.Helper()
	l.SetDeadline(time.Now().Add(labtest.Patience))
	c, err := l.AcceptTCP()
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { c.Close() })
	deadlined(c)
	return c
}

// listenUDP opens a UDP socket on an ephemeral port of 127.0.0.1, until the
// test ends.
func listenUDP(t *labtest.T) *net.UDPConn {
	t.Helper()
	c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { c.Close() })
	deadlined(c)
	return c
}

// connectUDP opens a UDP socket that is connected to addr, until the test ends.
func connectUDP(t *labtest.T, addr net.Addr) *net.UDPConn {
	t.Helper()
	c, err := net.DialUDP("udp4", nil, addr.(*net.UDPAddr))
	if err != nil {
		t.Fatalf("%v", err)
	}
	t.Cleanup(func() { c.Close() })
	deadlined(c)
	return c
}

// deadlined gives a connection the time that tests wait for anything.
func deadlined(c net.Conn) { c.SetDeadline(time.Now().Add(labtest.Patience)) }

func addrPort(a net.Addr) netip.AddrPort { return a.(*net.UDPAddr).AddrPort() }

// orNone is how an error is told that may be none.
func orNone(err error) string {
	if err == nil {
		return "no error"
	}
	return fmt.Sprintf("the error %q", err)
}

// The probes say, in the smallest way there is, whether a stage works so far
// that a later one can be judged.
func init() {
	labtest.Probe(2, probeSocket)
	labtest.Probe(3, probeOptions)
	labtest.Probe(7, func() error {
		c, err := net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
		if err != nil {
			return err
		}
		ctx, cancel := context.WithTimeout(context.Background(), labtest.Patience)
		defer cancel()
		defer context.AfterFunc(ctx, func() { c.Close() })()
		defer c.Close()
		me := addrPort(c.LocalAddr())
		sent := []string{"", "hi"}
		for _, text := range sent {
			if err := sockettypes.SendDatagram(c, []byte(text), me); err != nil {
				return fmt.Errorf("SendDatagram: %w", err)
			}
		}
		var came []string
		var from netip.AddrPort
		err = sockettypes.ReceiveAll(c, make([]byte, 10), func(d sockettypes.Datagram) {
			came, from = append(came, string(d.Payload)), d.From
			if len(came) == len(sent) {
				c.SetReadDeadline(past)
			}
		})
		if !slices.Equal(came, sent) || !errors.Is(err, os.ErrDeadlineExceeded) {
			return fmt.Errorf("ReceiveAll delivered %q of the datagrams %q, and at the deadline it returned %w", came, sent, orNil(err))
		}
		if from != me {
			return fmt.Errorf("a datagram from %v is said to come from %v", me, from)
		}
		return nil
	})
}

func orNil(err error) error {
	if err == nil {
		return errors.New("no error")
	}
	return err
}

// past is a deadline that is over.
var past = time.Unix(1, 0)

// soon is a deadline for showing that nothing came: what was sent on this
// machine is there when the sender's call returns, or a little later.
func soon() time.Time { return time.Now().Add(50 * time.Millisecond) }
