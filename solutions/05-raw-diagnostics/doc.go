// Package rawdiag answers the questions that are left when a chat room does not
// work: is the other machine there, which way do packets go, what is in them,
// and what became of each connection.
//
// The package is built in nine stages, a concept a file:
//
//	checksum.go        1  the Internet checksum
//	icmp.go            2  ICMP messages: bytes to and fro
//	open_linux.go      3  the socket: without privilege, or with as little as can be
//	ping.go            4  ping
//	trace.go           5  traceroute
//	decode.go          6  decoding frames by hand
//	filter.go          7  filters that the kernel runs: BPF
//	capture_linux.go   8  capturing, and files for others to read
//	flows.go, dns.go   9  what became of each connection, and of each name
//
// The other files are finished; conn.go and layers.go hold what the stages share.
package rawdiag
