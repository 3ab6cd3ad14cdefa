package main

import (
	"net"

	"golang.org/x/sys/unix"
)

// An option is one that is worth a line.
type option struct {
	name          string
	level, option int
	unit          string
}

// optionsOf are the options that say most about a kind of socket.
func optionsOf(s socket) []option {
	options := []option{
		{"receive buffer", unix.SOL_SOCKET, unix.SO_RCVBUF, " bytes"},
		{"send buffer", unix.SOL_SOCKET, unix.SO_SNDBUF, " bytes"},
	}
	switch s.(type) {
	case *net.TCPConn:
		return append(options,
			option{"no delay", unix.IPPROTO_TCP, unix.TCP_NODELAY, ""},
			option{"keepalive", unix.SOL_SOCKET, unix.SO_KEEPALIVE, ""},
			option{"  after", unix.IPPROTO_TCP, unix.TCP_KEEPIDLE, " s of silence"},
			option{"  every", unix.IPPROTO_TCP, unix.TCP_KEEPINTVL, " s"},
			option{"  at most", unix.IPPROTO_TCP, unix.TCP_KEEPCNT, " times"},
		)
	case *net.TCPListener:
		return append(options,
			option{"reuse address", unix.SOL_SOCKET, unix.SO_REUSEADDR, ""},
			option{"reuse port", unix.SOL_SOCKET, unix.SO_REUSEPORT, ""},
		)
	case *net.UDPConn:
		return append(options, option{"may broadcast", unix.SOL_SOCKET, unix.SO_BROADCAST, ""})
	default:
		return options
	}
}
