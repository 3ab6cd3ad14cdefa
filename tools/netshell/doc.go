// Package netshell gives a person a shell in a private network: with a map of
// it, the programs of the labs at hand, and a way to run a command on any of its
// machines.
package netshell
