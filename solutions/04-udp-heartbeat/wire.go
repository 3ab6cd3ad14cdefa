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
	if p.Type < Beat || p.Type > Bye {
		return dst, ErrType
	}
	start := len(dst)
	dst = binary.BigEndian.AppendUint16(dst, magic)
	dst = append(dst, Version, byte(p.Type))
	dst = binary.BigEndian.AppendUint32(dst, p.Incarnation)
	dst = binary.BigEndian.AppendUint32(dst, p.Seq)
	dst = binary.BigEndian.AppendUint32(dst, microseconds(p.RTT))
	dst = append(dst, p.Name.size)
	dst = append(dst, p.Name.text[:p.Name.size]...)
	return append(dst, c.code(dst[start:])...), nil
}

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
	if len(datagram) < headSize || len(datagram) != headSize+int(datagram[16])+macSize {
		return Packet{}, ErrLength
	}
	body := datagram[:len(datagram)-macSize]
	if !hmac.Equal(c.code(body), datagram[len(body):]) {
		return Packet{}, ErrMAC
	}
	p := Packet{
		Type:        Type(body[3]),
		Incarnation: binary.BigEndian.Uint32(body[4:]),
		Seq:         binary.BigEndian.Uint32(body[8:]),
		RTT:         microsecondsOf(binary.BigEndian.Uint32(body[12:])),
	}
	if p.Type < Beat || p.Type > Bye {
		return Packet{}, ErrType
	}
	var err error
	if p.Name, err = nameOf(body[headSize:]); err != nil {
		return Packet{}, err
	}
	return p, nil
}
