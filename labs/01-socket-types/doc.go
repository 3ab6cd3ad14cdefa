// Package sockettypes opens sockets of every kind, reads back what the kernel
// made of them, changes what can be changed, and tells one failure from
// another.
//
// It is built in nine stages, a concept a file:
//
//	endpoint.go          1  where a socket is: addresses and ports
//	socket_linux.go      2  what a socket is: three numbers
//	options_linux.go     3  options, and the values that they really get
//	listen_linux.go      4  options that come before the port
//	connection_linux.go  5  the life of a TCP connection
//	failure.go           6  one error from another
//	datagram.go          7  datagrams
//	families_linux.go    8  other families
//	group_linux.go       9  one to many
//
// The numbers of sockets are Linux's. A file whose name ends in _linux.go is
// compiled there only; others.go is what other systems get in its place.
package sockettypes
