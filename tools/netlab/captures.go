package netlab

import (
	"os"
	"strings"
)

// Captures is how many packet sockets receive frames in this thread's network: packet(7).
// Who starts a capture waits until there is one more, and only then sends what is to be
// captured. It is 0 where there is no /proc/net/packet.
func Captures() (n int) {
	text, err := os.ReadFile("/proc/thread-self/net/packet")
	if err != nil {
		return 0
	}
	for line := range strings.Lines(string(text)) {
		// Linux' net/packet/af_packet.c: sk RefCnt Type Proto Iface R Rmem User Inode
		if f := strings.Fields(line); len(f) > 5 && f[5] == "1" {
			n++
		}
	}
	return n
}
