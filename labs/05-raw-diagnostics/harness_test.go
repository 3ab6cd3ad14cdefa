package rawdiag_test

import (
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"testing"

	rawdiag "workbook.example/labs/05-raw-diagnostics"
	"workbook.example/tools/labtest"
	"workbook.example/tools/netlab"
)

// This file has what the stages' tests share.

// Raw sockets and captures need a namespace of their own; the tests' networks are
// made there, too.
func TestMain(m *testing.M) { netlab.Main(m) }

// unhex is the bytes that s has in hexadecimal. Spaces do not count.
func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.Join(strings.Fields(s), ""))
	if err != nil {
		panic(err)
	}
	return b
}

// hexed is bytes in a sentence: a space before each group of four.
func hexed(b []byte) string {
	if len(b) == 0 {
		return "nothing"
	}
	const most = 64
	var text strings.Builder
	for i, c := range b[:min(len(b), most)] {
		if i > 0 && i%4 == 0 {
			text.WriteByte(' ')
		}
		fmt.Fprintf(&text, "%02x", c)
	}
	if len(b) > most {
		fmt.Fprintf(&text, " … (%d bytes)", len(b))
	}
	return text.String()
}

// protocols are what protocols are called.
var protocols = map[rawdiag.Protocol]string{rawdiag.ICMP: "ICMP", rawdiag.ICMPv6: "ICMPv6", rawdiag.TCP: "TCP", rawdiag.UDP: "UDP"}

// errorNames are what this package's errors are called.
var errorNames = map[error]string{
	rawdiag.ErrShort: "ErrShort", rawdiag.ErrChecksum: "ErrChecksum",
	rawdiag.ErrMalformed: "ErrMalformed", rawdiag.ErrContradiction: "ErrContradiction",
}

// orNone is an error in a sentence.
func orNone(err error) string {
	if err == nil {
		return "no error"
	}
	return fmt.Sprintf("the error %q", err)
}

// What each stage must be able to do before others can be judged.
func init() {
	labtest.Probe(1, func() error {
		if got := rawdiag.Checksum([]byte{0x12, 0x34}); got != 0xedcb {
			return fmt.Errorf("Checksum of the bytes 12 34 is %04x, not edcb", got)
		}
		return nil
	})
	labtest.Probe(2, func() error {
		m, err := rawdiag.ParseMessage(rawdiag.ICMP, rawdiag.AppendEcho(nil, rawdiag.ICMP, 1, 2, nil))
		if err != nil || m.Kind != rawdiag.EchoRequest || m.Seq != 2 {
			return fmt.Errorf("ParseMessage, of an echo request that AppendEcho made: %s", orNone(err))
		}
		return nil
	})
	labtest.Probe(6, func() error {
		var l rawdiag.Layers
		if err := rawdiag.Decode(corpus["UDP over IPv4"], &l); err != nil || l.Has&rawdiag.HasUDP == 0 {
			return fmt.Errorf("Decode, of a UDP datagram over IPv4: %s", orNone(err))
		}
		return nil
	})
}

// expectError breaks the law when an error is not the one that a doc comment names.
func expectError(t *labtest.T, what string, got, want error) {
	t.Helper()
	if !errors.Is(got, want) {
		name, ok := errorNames[want]
		if !ok {
			name = strconv.Quote(want.Error())
		}
		t.Broken("%s gave %s; expected one in which errors.Is finds %s.", what, orNone(got), name)
	}
}
