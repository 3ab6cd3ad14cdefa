//go:build !linux

package netlab

import (
	"errors"
	"net"
	"net/netip"
	"os/exec"
)

// Elsewhere Open says that there are no namespaces, and nothing below is ever
// reached.

type namespace struct{}

func (*Node) begin() error                          { return errors.ErrUnsupported }
func (*Node) route(*link, *port) error              { return errors.ErrUnsupported }
func connect(*Node, *port, *Node, *port) error      { return errors.ErrUnsupported }
func (*Net) TryScripted(func(Packet) []Reply) error { return errors.ErrUnsupported }

// Do is for Linux only.
func (*Node) Do(func() error) error { return errors.ErrUnsupported }

// Start is for Linux only.
func (*Node) Start(*exec.Cmd) error { return errors.ErrUnsupported }

// Listen is for Linux only.
func (*Node) Listen(_, _ string) (net.Listener, error) { return nil, errors.ErrUnsupported }

// ListenPacket is for Linux only.
func (*Node) ListenPacket(_, _ string) (net.PacketConn, error) { return nil, errors.ErrUnsupported }

// Sysctl is for Linux only.
func (*Node) Sysctl(_, _ string) error { return errors.ErrUnsupported }

// Reject is for Linux only.
func (*Node) Reject(netip.Addr, Reason) error { return errors.ErrUnsupported }

// Namespace is for Linux only.
func (*Node) Namespace() string { return "" }

// Scripted is for Linux only.
func (*Net) Scripted(TB, func(Packet) []Reply) (v4, v6 netip.Addr) { return v4, v6 }

// WithoutRaw is for Linux only.
func WithoutRaw(func() error) error { return errors.ErrUnsupported }
