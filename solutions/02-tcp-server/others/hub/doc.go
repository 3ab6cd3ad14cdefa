// Package tcpserver is a chat server over TCP. Clients log in under a name,
// what one says reaches all others, and nobody waits for anybody else.
//
// The protocol is one JSON object a line; docs/protocol.md describes it.
//
// The package is built in nine stages, a concept a file:
//
//	frame.go, prefix.go   1  framing: messages on a stream of bytes
//	request.go            2  envelope: what a message may say
//	accept.go, session.go 3  the accept loop and the life of a connection
//	login.go, hub.go      4  log in and register
//	hub.go, session.go    5  fan-out
//	deadline.go           6  deadlines
//	finish.go             7  log out and close
//	shutdown.go           8  shutdown
//	hub.go, session.go    9  throughput
package tcpserver
