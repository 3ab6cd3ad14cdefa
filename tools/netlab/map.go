package netlab

import (
	"fmt"
	"strings"
)

// Map draws the network: a line a cable, with the addresses of both ends.
//
//	here ─────────────── r1      10.0.1.1 ── 10.0.1.2     fd00:0:0:1::1 ── fd00:0:0:1::2
//	r1 ───────────────── far     10.0.2.1 ── 10.0.2.2     fd00:0:0:2::1 ── fd00:0:0:2::2
func (n *Net) Map() string {
	var b strings.Builder
	wide := 0
	for _, node := range n.nodes {
		wide = max(wide, len(node.Name))
	}
	for _, node := range n.nodes {
		for _, p := range node.ports {
			if p.v4.As4()[3] != 1 {
				continue
			}
			other := p.to.portOn(p.link)
			fmt.Fprintf(&b, "%s %s %-*s   %s ── %-10s  %s ── %s\n",
				node.Name, strings.Repeat("─", wide-len(node.Name)+4), wide, p.to.Name, p.v4, other.v4, p.v6, other.v6)
		}
	}
	return b.String()
}
