package rawdiag_test

import (
	"encoding/binary"
	"net/netip"
	"testing"

	rawdiag "workbook.example/labs/05-raw-diagnostics"
	"workbook.example/tools/labtest"
)

// expectSum compares Checksum of bytes with what it must be.
func expectSum(t *labtest.T, b []byte, want uint16, because string) {
	t.Helper()
	if got := rawdiag.Checksum(b); got != want {
		t.Broken("Checksum of %s is %04x; expected %04x: %s.", hexed(b), got, want, because)
	}
}

func TestSumIsOfWordsHighByteFirst(tt *testing.T) {
	t := labtest.Begin(tt)
	expectSum(t, unhex("1234"), 0xedcb, "the complement of the one word 1234")
	expectSum(t, unhex("0001 f203"), 0x0dfb, "the complement of 0001 + f203")
	expectSum(t, nil, 0xffff, "the complement of a sum of nothing")
}

func TestOddByteIsTheHighOne(tt *testing.T) {
	t := labtest.Begin(tt)
	expectSum(t, unhex("ab"), 0x54ff, "the byte ab and no more is the word ab00")
	expectSum(t, unhex("0001 f203 f4"), 0x19fa, "the last byte, f4, is the word f400")
}

func TestCarriesAreAddedAgain(tt *testing.T) {
	t := labtest.Begin(tt)
	expectSum(t, unhex("ffff 0001"), 0xfffe, "ffff + 0001 is 1 0000, and the carry makes it 0001")
	// The header of an IPv4 packet, with its checksum left out.
	expectSum(t, unhex("4500 0073 0000 4000 4011 0000 c0a8 0001 c0a8 00c7"), 0xb861, "it is what the sender of this IPv4 header wrote, and its words have carries")
	// What the first carry makes can have a carry itself.
	expectSum(t, unhex("ffff ffff 0001 ffff"), 0xfffe, "the sum is 2 fffe + 1, and 2 + ffff has a carry again")
	long := make([]byte, 64<<10)
	for i := range long {
		long[i] = 0xff
	}
	expectSum(t, append(long, 0x12, 0x34), 0xedcb, "32768 words ffff, each of which is nothing in this arithmetic, and 1234")
	expectSum(t, append(make([]byte, 1<<20), 0, 1), 0xfffe, "a million zeroes and 0001")
}

func TestRightChecksumGivesZero(tt *testing.T) {
	t := labtest.Begin(tt)
	r := t.Rand()
	for range 200 {
		b := make([]byte, 2+2*r.IntN(40))
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		b[0], b[1] = 0, 0
		binary.BigEndian.PutUint16(b, rawdiag.Checksum(b))
		expectSum(t, b, 0, "these bytes hold their own checksum, in the first two")
	}
}

func TestSumAgreesWithWordByWord(tt *testing.T) {
	t := labtest.Begin(tt)
	r := t.Rand()
	for range 2000 {
		b := make([]byte, r.IntN(200))
		for i := range b {
			b[i] = byte(r.Uint32())
			if r.IntN(3) == 0 {
				b[i] = 0xff
			}
		}
		expectSum(t, b, plainSum(b), "it is what adding word by word gives, as in RFC 1071")
	}
}

func TestAddressesAreInTheTransportsChecksum(tt *testing.T) {
	t := labtest.Begin(tt)
	for _, c := range []struct {
		src, dst string
		p        rawdiag.Protocol
		segment  []byte
	}{
		{"10.0.0.1", "10.0.0.2", rawdiag.UDP, unhex("0035 8000 000a 0000 6869")},
		{"10.0.0.1", "10.0.0.2", rawdiag.TCP, unhex("0050 8000 00000001 00000000 5002 2000 0000 0000 78")},
		{"fd00::1", "fd00::2", rawdiag.ICMPv6, unhex("8000 0000 0001 0002 616263")},
		{"fd00::1", "fd00::2", rawdiag.UDP, append(unhex("0035 8000 8008 0000"), make([]byte, 0x8000)...)},
	} {
		src, dst := netip.MustParseAddr(c.src), netip.MustParseAddr(c.dst)
		want := plainSum(append(pseudo(src, dst, byte(c.p), len(c.segment)), c.segment...))
		if got := rawdiag.TransportChecksum(src, dst, c.p, c.segment); got != want {
			t.Broken("TransportChecksum from %v to %v, of %s and the segment %s, is %04x; expected %04x: that of the addresses, the protocol, the length %d and the segment.",
				src, dst, protocols[c.p], hexed(c.segment), got, want, len(c.segment))
		}
	}
}

func TestUpdateIsAsIfSummedAnew(tt *testing.T) {
	t := labtest.Begin(tt)
	// RFC 1624, section 4: equation 2 of RFC 1141 gives ffff here.
	if got := rawdiag.Update(0xdd2f, 0x5555, 0x3285); got != 0x0000 {
		t.Broken("The checksum was dd2f; Update, after a word changed from 5555 to 3285, gives %04x; expected 0000 (the example of RFC 1624, section 4).", got)
	}
	r := t.Rand()
	for range 2000 {
		b := make([]byte, 20)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		b[0] = 0x45 // as in an IPv4 header: not all is zero
		sum := plainSum(b)
		at := 2 + 2*r.IntN(9)
		before, after := binary.BigEndian.Uint16(b[at:]), uint16(r.Uint32())
		binary.BigEndian.PutUint16(b[at:], after)
		if got := rawdiag.Update(sum, before, after); got != plainSum(b) {
			t.Broken("The checksum was %04x; Update, after a word changed from %04x to %04x, gives %04x; the checksum of the changed bytes is %04x.", sum, before, after, got, plainSum(b))
		}
	}
}

// BenchmarkChecksum sums a packet of 1500 bytes.
func BenchmarkChecksum(b *testing.B) {
	if rawdiag.Checksum([]byte{0x12, 0x34}) != 0xedcb {
		b.Skip("Checksum is not right yet")
	}
	packet := make([]byte, 1500)
	b.SetBytes(int64(len(packet)))
	for range b.N {
		packet[0]++
		sink = rawdiag.Checksum(packet)
	}
}

// sink keeps the compiler from leaving out what nobody reads.
var sink uint16
