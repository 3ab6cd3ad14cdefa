package udpheartbeat_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	heartbeat "workbook.example/labs/04-udp-heartbeat"
	"workbook.example/tools/labtest"
)

// golden is one datagram, byte by byte, and what it says.
var golden = struct {
	packet heartbeat.Packet
	bytes  []byte
}{
	heartbeat.Packet{Type: heartbeat.Beat, Name: named("alice"), Incarnation: 0x01020304, Seq: 0x0a0b0c0d, RTT: 1500 * time.Microsecond},
	unhex("4842 01 01 01020304 0a0b0c0d 000005dc 05 616c696365 " + goldenCode),
}

// goldenCode is what `openssl dgst -sha256 -hmac 'the key of these tests'` says
// of the bytes before it, as far as it goes.
const goldenCode = "17859e4d7afd49b4aa31418ff20fd3dc"

func unhex(s string) []byte {
	b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
	if err != nil {
		panic(err)
	}
	return b
}

func TestDatagramHasTheseBytes(tt *testing.T) {
	t := labtest.Begin(tt)
	codec := heartbeat.NewCodec(key)
	got, err := codec.Append(nil, golden.packet)
	if err != nil {
		t.Broken("Append could not make a datagram of %v: %v.", golden.packet, err)
	}
	if !bytes.Equal(got, golden.bytes) {
		t.Broken("The datagram of %s is\n    %s\nexpected\n    %s\n%s", shown(golden.packet), hexed(got), hexed(golden.bytes), difference(got, golden.bytes))
	}
	if got, _ := codec.Append([]byte("before "), golden.packet); string(got) != "before "+string(golden.bytes) {
		t.Broken("Appended to 7 bytes that were there, the datagram of a packet is another one than alone: %s\nexpected what was there, and then\n    %s", hexed(got), hexed(golden.bytes))
	}
	packet, err := codec.Decode(golden.bytes)
	if err != nil {
		t.Broken("Decode refused a good datagram: %v.", err)
	}
	if packet != golden.packet {
		t.Broken("The datagram %s was decoded as %s; expected %s.", hexed(golden.bytes), shown(packet), shown(golden.packet))
	}
}

// fields are where the fields of a datagram begin, and what they are called.
var fields = []struct {
	at   int
	name string
}{{0, "the first two bytes"}, {2, "the version"}, {3, "the type"}, {4, "the incarnation"}, {8, "the number"}, {12, "the RTT"}, {16, "the length of the name"}, {17, "the name, or the code after it"}}

// hexed is a datagram in hexadecimal, with a space before each field.
func hexed(b []byte) string {
	ends := []int{len(b) - 16}
	for _, f := range fields {
		ends = append(ends, f.at)
	}
	var text strings.Builder
	for i, c := range b {
		if i > 0 && slices.Contains(ends, i) {
			text.WriteByte(' ')
		}
		fmt.Fprintf(&text, "%02x", c)
	}
	return text.String()
}

// difference says where two datagrams begin to differ.
func difference(got, want []byte) string {
	for i := range min(len(got), len(want)) {
		if got[i] != want[i] {
			name := ""
			for _, f := range fields {
				if f.at <= i {
					name = f.name
				}
			}
			return fmt.Sprintf("They differ from byte %d on: %s.", i, name)
		}
	}
	return fmt.Sprintf("One has %d bytes, the other %d.", len(got), len(want))
}

// shown is a packet as a reader sees it.
func shown(p heartbeat.Packet) string {
	return fmt.Sprintf("%v, incarnation %d, RTT %v", p, p.Incarnation, p.RTT)
}

func TestPacketComesOutAsItWentIn(tt *testing.T) {
	t := labtest.Begin(tt)
	r := t.Rand()
	codec := heartbeat.NewCodec(key)
	const letters = "abcXYZ019-_."
	for range 500 {
		var name strings.Builder
		for range 1 + r.IntN(heartbeat.MaxName) {
			name.WriteByte(letters[r.IntN(len(letters))])
		}
		want := heartbeat.Packet{
			Type: heartbeat.Type(1 + r.IntN(3)), Name: named(name.String()),
			Incarnation: r.Uint32(), Seq: r.Uint32(), RTT: time.Duration(r.Uint32()) * time.Microsecond,
		}
		datagram, err := codec.Append(nil, want)
		if err != nil {
			t.Broken("Append could not make a datagram of %s: %v.", shown(want), err)
		}
		got, err := codec.Decode(datagram)
		if err != nil {
			t.Broken("Decode refused what Append had made of %s: %v.", shown(want), err)
		}
		if got != want {
			t.Broken("Append and Decode made %s of %s.", shown(got), shown(want))
		}
	}
	for _, c := range []struct{ rtt, want time.Duration }{
		{1999 * time.Nanosecond, time.Microsecond},
		{-time.Second, 0},
		{100 * time.Hour, math.MaxUint32 * time.Microsecond},
	} {
		datagram, _ := codec.Append(nil, heartbeat.Packet{Type: heartbeat.Beat, Name: named("a"), RTT: c.rtt})
		if got, err := codec.Decode(datagram); err != nil || got.RTT != c.want {
			t.Broken("A round-trip time of %v came out as %v (%v); expected %v.", c.rtt, got.RTT, err, c.want)
		}
	}
}

func TestEveryTruncationIsRefused(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	codec := heartbeat.NewCodec(key)
	for _, name := range []string{"a", "alice", strings.Repeat("n", heartbeat.MaxName)} {
		whole := beat(name, 1, 2)
		for n := range whole {
			// Without room behind: reading past the end is a panic.
			if _, err := codec.Decode(bytes.Clone(whole[:n:n])); !errors.Is(err, heartbeat.ErrLength) {
				t.Broken("Of a datagram of %d bytes the first %d were decoded with the error %v; expected ErrLength.", len(whole), n, err)
			}
		}
	}
}

func TestLengthIsExactlyWhatItSays(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	codec := heartbeat.NewCodec(key)
	whole := beat("alice", 1, 2)
	if _, err := codec.Decode(append(bytes.Clone(whole), 'x')); !errors.Is(err, heartbeat.ErrLength) {
		t.Broken("A datagram with a byte too many was decoded with the error %v; expected ErrLength.", err)
	}
	// The sender's word for its name's length: too great, too small, both with a
	// code that is right.
	for _, n := range []byte{0, 4, 6, 20, 200, 255} {
		lying := bytes.Clone(whole[:len(whole)-16])
		lying[16] = n
		if _, err := codec.Decode(coded(key, lying)); !errors.Is(err, heartbeat.ErrLength) {
			t.Broken("A datagram says that its name has %d bytes, and has room for 5. It was decoded with the error %v; expected ErrLength.", n, err)
		}
	}
}

func TestOtherVersionIsKnownAsSuch(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	codec := heartbeat.NewCodec(key)
	for name, b := range map[string][]byte{
		"of this length, with the code of another format": append([]byte{'H', 'B', 2}, beat("alice", 1, 2)[3:]...),
		"three bytes long":        []byte{'H', 'B', 2},
		"longer than any of ours": append([]byte{'H', 'B', 9}, make([]byte, 500)...),
		"of version 0, with ours": coded(key, append([]byte{'H', 'B', 0}, beat("alice", 1, 2)[3:22]...)),
	} {
		if _, err := codec.Decode(b); !errors.Is(err, heartbeat.ErrVersion) {
			t.Broken("A datagram of version %d, %s, was decoded with the error %v; expected ErrVersion.", b[2], name, err)
		}
	}
	for _, b := range [][]byte{[]byte("GET / HTTP/1.1\r\n"), make([]byte, 60), append([]byte("hb"), beat("alice", 1, 2)[2:]...)} {
		if _, err := codec.Decode(b); !errors.Is(err, heartbeat.ErrForeign) {
			t.Broken("A datagram that begins with %q was decoded with the error %v; expected ErrForeign.", b[:2], err)
		}
	}
}

func TestForgeryIsRefused(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	codec := heartbeat.NewCodec(key)
	whole := beat("alice", 1, 2)
	if _, err := codec.Decode(raw(otherKey, heartbeat.Beat, 1, 2, 0, "alice")); !errors.Is(err, heartbeat.ErrMAC) {
		t.Broken("A datagram made with another key was decoded with the error %v; expected ErrMAC.", err)
	}
	if _, err := codec.Decode(append(bytes.Clone(whole[:len(whole)-16]), make([]byte, 16)...)); !errors.Is(err, heartbeat.ErrMAC) {
		t.Broken("A datagram with a code of zeros was decoded with the error %v; expected ErrMAC.", err)
	}
	for bit := range len(whole) * 8 {
		bent := bytes.Clone(whole)
		bent[bit/8] ^= 1 << (bit % 8)
		if got, err := codec.Decode(bent); err == nil {
			t.Broken("On its way a bit of byte %d was turned, and the datagram was decoded as %s; expected ErrMAC.", bit/8, shown(got))
		}
	}
}

func TestNothingIsBelievedBeforeItsCode(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	codec := heartbeat.NewCodec(key)
	for _, k := range []struct {
		key  []byte
		want error
	}{{otherKey, heartbeat.ErrMAC}, {key, heartbeat.ErrType}} {
		for _, typ := range []heartbeat.Type{0, 4, 255} {
			if _, err := codec.Decode(raw(k.key, typ, 1, 2, 0, "alice")); !errors.Is(err, k.want) {
				t.Broken("A datagram of type %d, %s, was decoded with the error %v; expected %v.", typ, whose(k.want), err, k.want)
			}
		}
	}
}

func whose(want error) string {
	if want == heartbeat.ErrMAC {
		return "made with another key"
	}
	return "made with the right key"
}

func TestNamesAreSafeToShow(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	codec := heartbeat.NewCodec(key)
	for _, name := range []string{
		"", "two words", "bell\a", "\x1b[2J", "line\nfeed", "naïve", "名", "a/b", "\x00", "\xff", strings.Repeat("n", heartbeat.MaxName+1),
	} {
		if p, err := codec.Decode(raw(key, heartbeat.Beat, 1, 2, 0, name)); !errors.Is(err, heartbeat.ErrName) {
			t.Broken("A datagram with the name %q was decoded as %q with the error %v; expected ErrName.", name, p.Name.String(), err)
		}
	}
	for _, p := range []heartbeat.Packet{{Type: heartbeat.Beat}, {Type: 0, Name: named("alice")}, {Type: 9, Name: named("alice")}} {
		want := heartbeat.ErrName
		if p.Name.IsValid() {
			want = heartbeat.ErrType
		}
		if got, err := codec.Append([]byte("x"), p); !errors.Is(err, want) || string(got) != "x" {
			t.Broken("Append of the packet %v returned %d bytes and the error %v; expected the 1 byte that was there, and %v.", p, len(got), err, want)
		}
	}
}

func TestJunkDoesNoHarm(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	r := t.Rand()
	codec := heartbeat.NewCodec(key)
	t.Returns("Decode, of junk,", func() {
		for range 5000 {
			b := make([]byte, r.IntN(90))
			for i := range b {
				b[i] = byte(r.Uint32())
			}
			copy(b, []byte{'H', 'B', heartbeat.Version}[:r.IntN(4)])
			if len(b) > 16 && r.IntN(2) == 0 {
				b[16] = byte(max(0, len(b)-33))
			}
			if p, err := codec.Decode(b); err == nil {
				t.Errorf("The junk %s was decoded as %s.", hexed(b), shown(p))
				return
			}
		}
	})
}

func TestCodecTakesNoMemory(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	codec := heartbeat.NewCodec(key)
	good, forged := beat("alice", 1, 2), raw(otherKey, heartbeat.Beat, 1, 2, 0, "alice")
	if n := testing.AllocsPerRun(200, func() { codec.Decode(good); codec.Decode(forged) }); n > 0 {
		t.Broken("Decoding two datagrams took memory %.0f times; expected none.", n)
	}
	packet, buf := heartbeat.Packet{Type: heartbeat.Ack, Name: named("alice")}, make([]byte, 0, heartbeat.MaxPacket)
	if n := testing.AllocsPerRun(200, func() { codec.Append(buf, packet) }); n > 0 {
		t.Broken("Appending to a buffer with room took memory %.0f times; expected none.", n)
	}
	// What was decoded must not change with the buffer, which is read into again.
	got, err := codec.Decode(good)
	clear(good)
	if err != nil || got.Name != named("alice") {
		t.Broken("A packet of alice was decoded, then its datagram's buffer was used for something else, and now it is one of %q.", got.Name.String())
	}
}
