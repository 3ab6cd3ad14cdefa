package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"syscall"
	"text/tabwriter"

	sockettypes "workbook.example/labs/01-socket-types"
)

// socket is what every kind is opened as.
type socket interface {
	syscall.Conn
	io.Closer
}

// A kind is a row of the table.
type kind struct {
	name string
	use  string // in a chat room
	open func(dir string) (socket, error)
	need string // what makes it possible where it is not allowed
}

// kinds are the rows. The numbers of the last ones are Linux's: package
// syscall has not all of them everywhere.
var kinds = []kind{
	{"Go listener, TCP", "the door: new people come in here", func(string) (socket, error) {
		return net.ListenTCP("tcp4", &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	}, ""},
	{"TCP connection", "what is said must arrive, in order", dialItself, ""},
	{"UDP socket", "heartbeats: the next one replaces a lost one", func(string) (socket, error) {
		return net.ListenUDP("udp4", &net.UDPAddr{IP: net.IPv4(127, 0, 0, 1)})
	}, ""},
	{"Unix stream", "an administrator on the same machine", func(dir string) (socket, error) {
		return net.ListenUnix("unix", &net.UnixAddr{Name: filepath.Join(dir, "admin"), Net: "unix"})
	}, ""},
	{"Unix datagrams", "log lines to a local collector", func(dir string) (socket, error) {
		return net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(dir, "log"), Net: "unixgram"})
	}, ""},
	{"ping socket", "is that machine there at all?", numbers(afInet, sockDgram, protoICMP),
		"sudo sysctl net.ipv4.ping_group_range='0 2147483647'"},
	{"raw ICMP", "ping and traceroute by hand", numbers(afInet, sockRaw, protoICMP),
		"sudo, or: unshare -rn"},
	{"raw, IPPROTO_RAW", "sends any packet, receives none", numbers(afInet, sockRaw, protoRaw),
		"sudo, or: unshare -rn"},
	{"packet", "sees the traffic of the whole machine", numbers(afPacket, sockRaw, 0),
		"sudo, or: unshare -rn"},
}

// Linux's numbers; see socket(2), ip(7), packet(7).
const (
	afInet, afPacket    = 2, 17
	sockDgram, sockRaw  = 2, 3
	protoICMP, protoRaw = 1, 255
	protoMPTCP          = 262
)

// numbers opens a socket with the learner's Open.
func numbers(family, typ, protocol int) func(string) (socket, error) {
	return func(string) (socket, error) {
		f, err := sockettypes.Open(family, typ, protocol)
		if err != nil {
			return nil, err // and not a nil *os.File that looks like a socket
		}
		return f, nil
	}
}

// dialItself returns one end of a connection to a listener of its own.
func dialItself(string) (socket, error) {
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	defer l.Close()
	c, err := net.Dial("tcp4", l.Addr().String())
	if err != nil {
		return nil, err
	}
	return c.(*net.TCPConn), nil
}

// table opens a socket of each kind and prints what the kernel says about it.
func table(w io.Writer) error {
	dir, err := os.MkdirTemp("", "sockets")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	t := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	var listener sockettypes.Info
	for i, k := range kinds {
		info, err := look(k, dir)
		if i == 0 {
			listener = info
		}
		fmt.Fprintf(t, "%s\t%s\n\t", k.name, k.use)
		family, typ, protocol := info.Names()
		switch {
		case err == nil:
			fmt.Fprintf(t, "%s  %s  %s\n", family, typ, protocol)
		case errors.Is(err, fs.ErrPermission):
			fmt.Fprintf(t, "not allowed here (%v); this allows it: %s\n", err, k.need)
		default:
			fmt.Fprintf(t, "? %v\n", err)
		}
	}
	t.Flush()
	fmt.Fprintln(w, "\nThe numbers are what this kernel gives for a live socket of each kind: its")
	fmt.Fprintln(w, "address family, its type and its protocol.")
	if listener.Protocol == protoMPTCP {
		fmt.Fprintln(w, "262 for a listener, where TCP is 6? Stage 2 of the brief says why.")
	}
	return nil
}

// look opens a socket, describes it, and closes it.
func look(k kind, dir string) (sockettypes.Info, error) {
	s, err := k.open(dir)
	if err != nil {
		return sockettypes.Info{}, err
	}
	defer s.Close()
	return sockettypes.Describe(s)
}
