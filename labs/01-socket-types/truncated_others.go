//go:build !unix

package sockettypes

// msgTrunc is the flag that says that a datagram was longer than the buffer;
// Windows calls it MSG_TRUNC too.
const msgTrunc = 0x100
