package netshell

import (
	"fmt"
	"strings"

	"workbook.example/tools/netlab"
)

// welcome is what a person reads before the first prompt.
func welcome(n *netlab.Net, named bool, built, broken []string) string {
	far4, far6 := n.Node("far").Addr4().String(), n.Node("far").Addr6().String()
	if named {
		far4, far6 = "far", "far"
	}
	var b strings.Builder
	b.WriteString("A network of your own. Nothing in it leaves this machine, and it is gone when you are.\nYou are on here.\n\n")
	for line := range strings.Lines(n.Map()) {
		b.WriteString("  " + line)
	}
	b.WriteString("\nTry\n")
	try := func(command, what string) {
		b.WriteString(strings.TrimRight(fmt.Sprintf("  %-34s %s", command, what), " ") + "\n")
	}
	try("ping -c 3 "+far4, "")
	try("traceroute -6 "+far6, "")
	try("on r1 tcpdump -n -i any icmp", "a command on another machine")
	try("nc "+far4+" 7", "far sends back what you say, on TCP and UDP")
	if len(built) > 0 {
		try(strings.Join(built, ", "), "the programs of the labs, as they are now")
	}
	try("exit", "")
	if len(broken) > 0 {
		fmt.Fprintf(&b, "\nNot built, because the code does not compile: %s.\n", strings.Join(broken, ", "))
	}
	b.WriteString("\n")
	return b.String()
}
