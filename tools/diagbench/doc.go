// Package diagbench measures lab 5's diag beside the programs that everybody uses for
// the same: ping, traceroute and tcpdump. They take turns in one run, in a private
// network, so that a ratio is that of two runs of the same round.
package diagbench
