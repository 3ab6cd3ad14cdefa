//go:build unix

package sockettypes

import "syscall"

// msgTrunc is the flag that says that a datagram was longer than the buffer;
// see recvmsg(2).
const msgTrunc = syscall.MSG_TRUNC
