// Package tcpclient is a client of the chat server that lab 2 builds: it
// connects, asks and is answered, hears what others say, and says goodbye.
//
// The protocol is one JSON object a line; docs/protocol.md describes it.
// frame.go and message.go read and write it; they are given. The rest is built
// in eight stages, a concept a file:
//
//	dial.go      1  dial: names, addresses, and why there is no connection
//	race.go      2  racing addresses
//	receive.go   3  the receive loop
//	client.go    3  a client's one connection
//	handlers.go  4  handlers: what is to be done with messages
//	send.go      5  the send path
//	ask.go       6  request and reply
//	close.go     7  disconnect
//	secure.go    8  TLS
package tcpclient
