package netlab_test

import (
	"net/netip"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/icmp"
	"golang.org/x/net/ipv4"
	"golang.org/x/net/ipv6"

	"workbook.example/tools/netlab"
)

func TestPacketsAreWhatOthersReadInThem(t *testing.T) {
	for _, addrs := range [][2]string{{"10.0.0.1", "10.0.0.2"}, {"fd00::1", "fd00::2"}} {
		src, dst := netip.MustParseAddr(addrs[0]), netip.MustParseAddr(addrs[1])
		kind, protocol := 8, 1
		if src.Is6() {
			kind, protocol = 128, 58
		}
		raw := netlab.BuildICMP(src, dst, kind, 0, []byte{1, 2, 3, 4, 'o', 'd', 'd'})
		p, err := netlab.ParsePacket(raw)
		require.NoError(t, err)
		require.Equal(t, []any{src, dst, protocol, 64}, []any{p.Src, p.Dst, p.Protocol, p.TTL})
		message, err := icmp.ParseMessage(protocol, p.Payload)
		require.NoError(t, err)
		require.Equal(t, &icmp.Echo{ID: 0x102, Seq: 0x304, Data: []byte("odd")}, message.Body)

		for cut := range raw {
			_, err := netlab.ParsePacket(raw[:cut])
			require.Error(t, err)
		}

		reply, err := netlab.ParsePacket(netlab.EchoReply(p))
		require.NoError(t, err)
		require.Equal(t, []any{dst, src}, []any{reply.Src, reply.Dst})
		message, err = icmp.ParseMessage(protocol, reply.Payload)
		require.NoError(t, err)
		require.Contains(t, []icmp.Type{ipv4.ICMPTypeEchoReply, ipv6.ICMPTypeEchoReply}, message.Type)

		router := netip.MustParseAddr("10.7.7.7")
		if src.Is6() {
			router = netip.MustParseAddr("fd07::7")
		}
		exceeded, err := netlab.ParsePacket(netlab.TimeExceeded(router, p, 0, 18, 19))
		require.NoError(t, err)
		message, err = icmp.ParseMessage(protocol, exceeded.Payload)
		require.NoError(t, err)
		body := message.Body.(*icmp.TimeExceeded)
		labels := body.Extensions[0].(*icmp.MPLSLabelStack).Labels
		require.Equal(t, []icmp.MPLSLabel{{Label: 18, TTL: 1}, {Label: 19, S: true, TTL: 1}}, labels)
		require.Equal(t, raw[:20], body.Data[:20])
	}
}

func TestAPathIsOnlyForItsDestination(t *testing.T) {
	path := netlab.Path{Hops: netlab.Hops("10.1.0.1"), Dst: netip.MustParseAddr("10.9.9.9")}
	src := netip.MustParseAddr("10.0.0.1")
	udp := make([]byte, 8)
	ask := func(dst netip.Addr, ttl int) []netlab.Reply {
		p, err := netlab.ParsePacket(netlab.Build(src, dst, netlab.UDP, ttl, udp))
		require.NoError(t, err)
		return path.Answer(p)
	}
	require.Len(t, ask(path.Dst, 1), 1)
	require.Len(t, ask(path.Dst, 2), 1)
	require.Empty(t, ask(src.Next(), 1))
	path.Hops[0].Times = 3
	require.Len(t, ask(path.Dst, 1), 3)
}

func TestMapNamesEveryCable(t *testing.T) {
	var n netlab.Net
	r1, far := n.Router("r1"), n.Host("far")
	n.Link(r1, far)
	require.Equal(t, "r1 ───── far   10.0.1.1 ── 10.0.1.2    fd00:0:0:1::1 ── fd00:0:0:1::2\n", n.Map())
}
