package rawdiag_test

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/bpf"

	rawdiag "workbook.example/solutions/05-raw-diagnostics"
)

// expression is a Spec in tcpdump's language. Its "host" takes ARP as well, and its
// "port" SCTP, which this package has nothing to do with.
func expression(s rawdiag.Spec) string {
	var all []string
	if name := map[rawdiag.Protocol]string{rawdiag.ICMP: "icmp", rawdiag.ICMPv6: "icmp6", rawdiag.TCP: "tcp", rawdiag.UDP: "udp"}[s.Protocol]; name != "" {
		all = append(all, name)
	}
	if s.Host.IsValid() {
		all = append(all, map[bool]string{true: "ip", false: "ip6"}[s.Host.Is4()]+" host "+s.Host.String())
	}
	if s.Port != 0 {
		all = append(all, fmt.Sprintf("port %d and (tcp or udp)", s.Port))
	}
	return strings.Join(all, " and ")
}

// tcpdumpProgram is what tcpdump makes of an expression, for Ethernet: the decimal
// numbers of its -ddd.
func tcpdumpProgram(t *testing.T, expression string) *bpf.VM {
	t.Helper()
	lines := strings.Split(output(t, other(t, "tcpdump", "tcpdump"), "-y", "EN10MB", "-ddd", expression), "\n")
	var raw []bpf.RawInstruction
	for _, line := range lines[1:] { // the first is how many there are
		var i bpf.RawInstruction
		if n, _ := fmt.Sscan(line, &i.Op, &i.Jt, &i.Jf, &i.K); n == 4 {
			raw = append(raw, i)
		}
	}
	require.Equal(t, lines[0], fmt.Sprint(len(raw)))
	program, all := bpf.Disassemble(raw)
	require.True(t, all)
	vm, err := bpf.NewVM(program)
	require.NoError(t, err)
	return vm
}

// specs are all kinds of Spec, each with values that some of the random frames have.
func specs() []rawdiag.Spec {
	var all []rawdiag.Spec
	hosts := append([]netip.Addr{{}}, append(hosts4[:2:2], hosts6[1:]...)...)
	for _, protocol := range []rawdiag.Protocol{0, rawdiag.TCP, rawdiag.UDP, rawdiag.ICMP, rawdiag.ICMPv6} {
		for _, host := range hosts {
			for _, port := range []uint16{0, 8888, 65535} {
				all = append(all, rawdiag.Spec{Protocol: protocol, Host: host, Port: port})
			}
		}
	}
	return all
}

func TestFilterJudgesAsTcpdumpDoes(t *testing.T) {
	r := random(t)
	frames := make([][]byte, 5000)
	for i := range frames {
		frames[i] = randomFrame(r)
		if chance(r, 10) {
			frames[i] = frames[i][:1+r.IntN(len(frames[i]))]
		}
	}
	accepted := 0
	for _, s := range specs() {
		what := expression(s)
		program, err := rawdiag.Filter(s)
		if err != nil {
			// tcpdump says of most of them "expression rejects all packets", but not of all.
			require.ErrorIs(t, err, rawdiag.ErrContradiction, what)
			if exec.Command(other(t, "tcpdump", "tcpdump"), "-y", "EN10MB", "-ddd", what).Run() != nil {
				continue
			}
			program = []bpf.Instruction{bpf.RetConstant{Val: 0}}
		}
		ours, err := bpf.NewVM(program)
		require.NoError(t, err)
		theirs := tcpdumpProgram(t, what)
		some := false
		for _, f := range frames {
			got, err := ours.Run(f)
			require.NoError(t, err)
			want, err := theirs.Run(f)
			require.NoError(t, err)
			require.Equal(t, want > 0, got > 0, "%s: %x", what, f)
			require.True(t, got == 0 || got >= len(f), "a frame is kept whole")
			some = some || got > 0
		}
		if some {
			accepted++
		}
	}
	require.Greater(t, accepted, 30, "most of the filters accept some of the frames")
}
