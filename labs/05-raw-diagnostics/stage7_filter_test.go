package rawdiag_test

import (
	"bufio"
	_ "embed"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/net/bpf"

	rawdiag "workbook.example/labs/05-raw-diagnostics"
	"workbook.example/tools/labtest"
	"workbook.example/tools/netlab"
)

// spoken is a Spec in a sentence, in the language of tcpdump.
func spoken(s rawdiag.Spec) string {
	var all []string
	if name := map[rawdiag.Protocol]string{rawdiag.ICMP: "icmp", rawdiag.ICMPv6: "icmp6", rawdiag.TCP: "tcp", rawdiag.UDP: "udp"}[s.Protocol]; name != "" {
		all = append(all, name)
	}
	if s.Host.IsValid() {
		all = append(all, "host "+s.Host.String())
	}
	if s.Port != 0 {
		all = append(all, fmt.Sprintf("port %d", s.Port))
	}
	if len(all) == 0 {
		return "everything"
	}
	return strings.Join(all, " and ")
}

// machine is a filter ready to run.
func machine(t *labtest.T, s rawdiag.Spec) *bpf.VM {
	t.Helper()
	program, err := rawdiag.Filter(s)
	if err != nil {
		t.Broken("Filter, for %q, returned %s.", spoken(s), orNone(err))
	}
	vm, err := bpf.NewVM(program)
	if err != nil {
		t.Broken("Filter, for %q, returned a program of %d instructions that no kernel takes: %v.", spoken(s), len(program), err)
	}
	return vm
}

// accepts runs a filter on a frame.
func accepts(t *labtest.T, vm *bpf.VM, s rawdiag.Spec, name string, frame []byte) bool {
	t.Helper()
	n, err := vm.Run(frame)
	if err != nil {
		t.Broken("The filter for %q ended on %s with %s.", spoken(s), name, orNone(err))
	}
	if n > 0 && n < len(frame) {
		t.Broken("The filter for %q accepts %s and keeps %d of its %d bytes; expected all.", spoken(s), name, n, len(frame))
	}
	return n > 0
}

// expectVerdicts expects that a filter accepts some of the frames, and no other.
func expectVerdicts(t *labtest.T, s rawdiag.Spec, frames map[string][]byte, want func(name string) bool) {
	t.Helper()
	vm := machine(t, s)
	for _, name := range slices.Sorted(maps.Keys(frames)) {
		got, want := accepts(t, vm, s, name, frames[name]), want(name)
		if got && !want {
			t.Broken("The filter for %q accepts this frame, and should not: %s.", spoken(s), name)
		}
		if !got && want {
			t.Broken("The filter for %q refuses this frame, and should not: %s.", spoken(s), name)
		}
	}
}

// has reports whether a name has one of the words.
func has(words ...string) func(string) bool {
	return func(name string) bool {
		return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(name, w) })
	}
}

func TestEverythingIsAccepted(tt *testing.T) {
	t := labtest.Begin(tt)
	frames := maps.Clone(corpus)
	frames["a frame of 1 byte"] = []byte{1}
	expectVerdicts(t, rawdiag.Spec{}, frames, func(string) bool { return true })
}

// plain are frames whose names say what they are.
func plain() map[string][]byte {
	frames := map[string][]byte{"ARP": corpus["ARP"], "a frame of 10 bytes": corpus["ARP"][:10]}
	for _, f := range []struct {
		version  string
		src, dst netip.Addr
	}{{"IPv4", alice4, bob4}, {"IPv6", alice6, bob6}} {
		for _, way := range []string{"there", "back"} {
			src, dst, from, to := f.src, f.dst, uint16(40000), uint16(8888)
			if way == "back" {
				src, dst, from, to = dst, src, to, from
			}
			add := func(protocol string, number int, payload []byte) {
				frames[protocol+" over "+f.version+", "+way] = frame(netlab.Build(src, dst, number, 64, payload))
			}
			add("TCP 8888", netlab.TCP, tcp(src, dst, from, to, 1, 1, 16, []byte("x")))
			add("UDP 8888", netlab.UDP, udp(src, dst, from, to, []byte("x")))
			add("UDP 9999", netlab.UDP, udp(src, dst, 40000, 9999, []byte("x")))
			icmp := map[string]int{"IPv4": netlab.ICMP, "IPv6": netlab.ICMPv6}[f.version]
			add("ICMP", icmp, unhex("22b8 22b8 0000 0000")) // 8888, where ports would be
		}
	}
	return frames
}

func TestProtocolIsThatOfEitherVersion(tt *testing.T) {
	t := labtest.Begin(tt)
	expectVerdicts(t, rawdiag.Spec{Protocol: rawdiag.TCP}, plain(), has("TCP"))
	expectVerdicts(t, rawdiag.Spec{Protocol: rawdiag.UDP}, plain(), has("UDP"))
	expectVerdicts(t, rawdiag.Spec{Protocol: rawdiag.ICMP}, plain(), has("ICMP over IPv4"))
	expectVerdicts(t, rawdiag.Spec{Protocol: rawdiag.ICMPv6}, plain(), has("ICMP over IPv6"))
	later := map[string][]byte{"a later fragment of UDP over IPv4": corpus["later fragment over IPv4"], "a later fragment of UDP over IPv6": corpus["later fragment over IPv6"]}
	expectVerdicts(t, rawdiag.Spec{Protocol: rawdiag.UDP}, later, func(string) bool { return true })
	expectVerdicts(t, rawdiag.Spec{Protocol: rawdiag.TCP}, later, func(string) bool { return false })
	// Where a fragment has its protocol, others have something else: 1536 is 0600.
	chance := map[string][]byte{"UDP over IPv6, from port 1536": frame(netlab.Build(alice6, bob6, netlab.UDP, 64, udp(alice6, bob6, 1536, 9999, []byte("x"))))}
	expectVerdicts(t, rawdiag.Spec{Protocol: rawdiag.TCP}, chance, func(string) bool { return false })
}

func TestHostIsSenderOrReceiver(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, host := range []netip.Addr{alice4, bob4} {
		expectVerdicts(t, rawdiag.Spec{Host: host}, plain(), has("IPv4"))
	}
	for _, host := range []netip.Addr{alice6, bob6} {
		expectVerdicts(t, rawdiag.Spec{Host: host}, plain(), has("IPv6"))
	}
	for _, nobody := range []string{"10.0.0.3", "fd00::3", "fd00:0:0:1::1", "fd01::1"} {
		expectVerdicts(t, rawdiag.Spec{Host: netip.MustParseAddr(nobody)}, plain(), func(string) bool { return false })
	}
	expectVerdicts(t, rawdiag.Spec{Host: netip.MustParseAddr("::ffff:10.0.0.1")}, plain(), has("IPv4"))
}

func TestPortIsOfTCPOrUDPInEitherDirection(tt *testing.T) {
	t := labtest.Begin(tt)
	expectVerdicts(t, rawdiag.Spec{Port: 8888}, plain(), has("8888"))
	expectVerdicts(t, rawdiag.Spec{Port: 9999}, plain(), has("9999"))
	expectVerdicts(t, rawdiag.Spec{Protocol: rawdiag.TCP, Port: 8888}, plain(), has("TCP 8888"))
	expectVerdicts(t, rawdiag.Spec{Protocol: rawdiag.UDP, Port: 8888}, plain(), has("UDP 8888"))
	expectVerdicts(t, rawdiag.Spec{Port: 1}, plain(), func(string) bool { return false })
}

func TestAllPartsMustHold(tt *testing.T) {
	t := labtest.Begin(tt)
	expectVerdicts(t, rawdiag.Spec{Protocol: rawdiag.UDP, Host: alice4, Port: 8888}, plain(), has("UDP 8888 over IPv4"))
	expectVerdicts(t, rawdiag.Spec{Protocol: rawdiag.TCP, Host: bob6, Port: 8888}, plain(), has("TCP 8888 over IPv6"))
	expectVerdicts(t, rawdiag.Spec{Host: bob6, Port: 9999}, plain(), has("UDP 9999 over IPv6"))
	expectVerdicts(t, rawdiag.Spec{Host: netip.MustParseAddr("10.0.0.3"), Port: 8888}, plain(), func(string) bool { return false })
}

func TestOptionsShiftThePorts(tt *testing.T) {
	t := labtest.Begin(tt)
	options := bytesOf(1, 40)
	copy(options[0:], unhex("22b8")) // port 8888, where the ports are without options
	packet := netlab.Build(alice4, bob4, netlab.UDP, 64, udp(alice4, bob4, 40000, 9999, []byte("x")))
	for _, n := range []int{4, 40} {
		frames := map[string][]byte{fmt.Sprintf("UDP to port 9999, with %d bytes of IPv4 options", n): frame(withOptions(packet, options[:n]))}
		expectVerdicts(t, rawdiag.Spec{Port: 9999}, frames, func(string) bool { return true })
		expectVerdicts(t, rawdiag.Spec{Port: 8888}, frames, func(string) bool { return false })
	}
}

func bytesOf(b byte, n int) []byte { return slices.Repeat([]byte{b}, n) }

func TestLaterFragmentMatchesNoPort(tt *testing.T) {
	t := labtest.Begin(tt)
	whole := netlab.Build(alice4, bob4, netlab.UDP, 64, udp(alice4, bob4, 40000, 8888, []byte("x")))
	frames := map[string][]byte{
		"the first fragment of UDP to port 8888":                                frame(fragment(whole, 0, true)),
		"a later fragment of UDP whose data looks like port 8888":               frame(fragment(whole, 1480, false)),
		"a later fragment of UDP whose data looks like port 8888, not the last": frame(fragment(whole, 8, true)),
	}
	for _, s := range []rawdiag.Spec{{Port: 8888}, {Protocol: rawdiag.UDP, Port: 8888}} {
		expectVerdicts(t, s, frames, has("first"))
	}
}

func TestContradictionIsAnError(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, s := range []rawdiag.Spec{
		{Protocol: rawdiag.ICMP, Port: 8888}, {Protocol: rawdiag.ICMPv6, Port: 8888},
		{Protocol: rawdiag.ICMPv6, Host: alice4}, {Protocol: rawdiag.ICMP, Host: alice6},
	} {
		if _, err := rawdiag.Filter(s); !errors.Is(err, rawdiag.ErrContradiction) {
			t.Broken("Filter, for %q, gave %s; expected ErrContradiction: no frame can be like that.", spoken(s), orNone(err))
		}
	}
}

// theirs are programs as `tcpdump -ddd` prints them, each after its expression:
// made once with tcpdump 4.99 for Ethernet ("host" is its "ip host", without ARP, and
// "port" its "port and (tcp or udp)", without SCTP).
//
//go:embed testdata/tcpdump.txt
var theirs string

func TestVerdictsAreTcpdumps(tt *testing.T) {
	t := labtest.Begin(tt)
	frames := plain()
	maps.Copy(frames, corpus)
	lines := bufio.NewScanner(strings.NewReader(theirs))
	compared := 0
	for lines.Scan() {
		expression, ok := strings.CutPrefix(lines.Text(), "# ")
		if !ok {
			continue
		}
		var n int
		lines.Scan()
		fmt.Sscan(lines.Text(), &n)
		var raw []bpf.RawInstruction
		for range n {
			var i bpf.RawInstruction
			lines.Scan()
			if _, err := fmt.Sscan(lines.Text(), &i.Op, &i.Jt, &i.Jf, &i.K); err != nil {
				t.Fatalf("testdata/tcpdump.txt: %v", err)
			}
			raw = append(raw, i)
		}
		program, _ := bpf.Disassemble(raw)
		vm, err := bpf.NewVM(program)
		if err != nil {
			t.Fatalf("testdata/tcpdump.txt, %s: %v", expression, err)
		}
		s := parseSpec(expression)
		expectVerdicts(t, s, frames, func(name string) bool {
			kept, err := vm.Run(frames[name])
			return err == nil && kept > 0
		})
		compared++
	}
	if compared < 10 {
		t.Fatalf("testdata/tcpdump.txt has only %d programs", compared)
	}
}

// parseSpec is the Spec that spoken speaks.
func parseSpec(expression string) (s rawdiag.Spec) {
	words := strings.Fields(expression)
	for i, w := range words {
		switch w {
		case "icmp":
			s.Protocol = rawdiag.ICMP
		case "icmp6":
			s.Protocol = rawdiag.ICMPv6
		case "tcp":
			s.Protocol = rawdiag.TCP
		case "udp":
			s.Protocol = rawdiag.UDP
		case "host":
			s.Host = netip.MustParseAddr(words[i+1])
		case "port":
			fmt.Sscan(words[i+1], &s.Port)
		}
	}
	return s
}
