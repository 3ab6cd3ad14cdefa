package udpheartbeat

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"hash"
)

// A Codec turns packets into datagrams and back. Its datagrams carry a code
// (HMAC-SHA256, RFC 2104, the first 16 bytes of it) that only somebody who has
// the key can make. A Codec belongs to one goroutine at a time.
type Codec struct {
	mac hash.Hash
	sum [sha256.Size]byte // where codes are computed, so that they take no memory
}

// NewCodec makes a codec. Codecs with the same key understand each other. An
// empty key is one that everybody knows: it tells damage, but no forgery.
func NewCodec(key []byte) *Codec {
	return &Codec{mac: hmac.New(sha256.New, key)}
}

// code is the code of b. It is valid until code is called again.
func (c *Codec) code(b []byte) []byte {
	c.mac.Reset()
	c.mac.Write(b)
	return c.mac.Sum(c.sum[:0])[:macSize]
}

// Append appends p's datagram to dst and returns the result; it takes memory
// only when dst has no room. A packet without a valid name gives ErrName, one of
// an unknown type ErrType, and then dst is returned as it was.
//
// All numbers are in network order, the highest byte first:
//
//	at  bytes
//	0   2      "HB"
//	2   1      Version
//	3   1      Type
//	4   4      Incarnation
//	8   4      Seq
//	12  4      RTT in microseconds
//	16  1      n, the length of Name
//	17  n      Name
//	17+n 16    the code of everything before
func (c *Codec) Append(dst []byte, p Packet) ([]byte, error) {
	if !p.Name.IsValid() {
		return dst, ErrName
	}
	if !known(p.Type) {
		return dst, ErrType
	}
	out := binary.BigEndian.AppendUint16(dst, magic)
	out = append(out, Version, byte(p.Type))
	for _, v := range [...]uint32{p.Incarnation, p.Seq, microseconds(p.RTT)} {
		out = binary.BigEndian.AppendUint32(out, v)
	}
	out = append(out, p.Name.size)
	out = append(out, p.Name.text[:p.Name.size]...)
	return append(out, c.code(out[len(dst):])...), nil
}

func known(t Type) bool { return t == Beat || t == Ack || t == Bye }

// Decode is the packet that a datagram holds. It keeps nothing of the datagram
// and takes no memory. The datagram may come from anybody; it is refused with,
// in this order,
//
//   - ErrLength when it is too short to have a version
//   - ErrForeign when it does not begin with "HB"
//   - ErrVersion when it has another version; nothing is known of how it goes on
//   - ErrLength when it is shorter or longer than it says
//   - ErrMAC when its code is not that of the rest; until then nothing in it is
//     to be believed
//   - ErrType when its type is unknown, ErrName when its name is no valid one
func (c *Codec) Decode(datagram []byte) (Packet, error) {
	if len(datagram) < 3 {
		return Packet{}, ErrLength
	}
	if binary.BigEndian.Uint16(datagram) != magic {
		return Packet{}, ErrForeign
	}
	if datagram[2] != Version {
		return Packet{}, ErrVersion
	}
	if len(datagram) < headSize {
		return Packet{}, ErrLength
	}
	end := headSize + int(datagram[headSize-1])
	if len(datagram) != end+macSize {
		return Packet{}, ErrLength
	}
	if !hmac.Equal(c.code(datagram[:end]), datagram[end:]) {
		return Packet{}, ErrMAC
	}
	p := Packet{
		Type:        Type(datagram[3]),
		Incarnation: binary.BigEndian.Uint32(datagram[4:]),
		Seq:         binary.BigEndian.Uint32(datagram[8:]),
		RTT:         microsecondsOf(binary.BigEndian.Uint32(datagram[12:])),
	}
	if !known(p.Type) {
		return Packet{}, ErrType
	}
	var err error
	if p.Name, err = nameOf(datagram[headSize:end]); err != nil {
		return Packet{}, err
	}
	return p, nil
}
