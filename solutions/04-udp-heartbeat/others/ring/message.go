package udpheartbeat

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"time"
)

// Version is the version of the wire format that this package speaks.
const Version = 1

// Sizes of datagrams and what is in them, in bytes.
const (
	MaxName   = 32                           // of a name
	macSize   = 16                           // of the code at the end
	headSize  = 17                           // of everything before the name
	MinPacket = headSize + 1 + macSize       // of a datagram whose name has one byte
	MaxPacket = headSize + MaxName + macSize // of a datagram whose name has MaxName bytes
	magic     = uint16('H')<<8 | uint16('B') // the first two bytes
)

// Type says what a datagram is.
type Type uint8

// The types of datagrams.
const (
	Beat Type = 1 // a sender is there
	Ack  Type = 2 // the monitor's answer to the Beat with the same Seq
	Bye  Type = 3 // a sender leaves, and is not to be taken for dead
)

// String is the type as it stands in a sentence.
func (t Type) String() string {
	switch t {
	case Beat:
		return "beat"
	case Ack:
		return "ack"
	case Bye:
		return "bye"
	}
	return fmt.Sprintf("type %d", uint8(t))
}

// A Packet is what a datagram says. It is a value without pointers: decoding one
// takes no memory.
type Packet struct {
	Type Type

	// Name says whose datagram it is: the sender's own in a Beat and a Bye, in
	// an Ack that of the sender who is answered.
	Name Name

	// Incarnation is greater each time that a sender starts anew. Within one
	// incarnation no Seq is used twice.
	Incarnation uint32

	// Seq numbers the datagrams of a sender, and after 2^32-1 begins again at 0.
	Seq uint32

	// RTT is the sender's round-trip time to the monitor as the sender itself
	// measures it; 0 when it does not know. On the wire it has whole
	// microseconds, at most 2^32-1 of them. No point in time goes over the wire:
	// two machines never have the same one.
	RTT time.Duration
}

// String is the packet as it stands in a sentence.
func (p Packet) String() string {
	return fmt.Sprintf("%v %d of %v", p.Type, p.Seq, p.Name)
}

// Errors of Decode and Append.
var (
	ErrForeign = errors.New("not a heartbeat datagram")
	ErrVersion = errors.New("unknown version")
	ErrLength  = errors.New("wrong length")
	ErrMAC     = errors.New("wrong authentication code")
	ErrType    = errors.New("unknown type")
	ErrName    = errors.New("bad name")
)

// A Name is what a sender is called: 1 to MaxName letters, digits, '-', '_' and
// '.', all of them ASCII, so that it can be shown on any terminal. Names can be
// compared with == and be keys of a map. The zero Name is no name.
type Name struct {
	size uint8
	text [MaxName]byte
}

// ParseName makes a name of s, or returns an error that is ErrName.
func ParseName(s string) (Name, error) { return nameOf([]byte(s)) }

// nameOf makes a name of b, of which it keeps nothing, or returns ErrName. It
// takes no memory.
func nameOf(b []byte) (Name, error) {
	if len(b) < 1 || len(b) > MaxName {
		return Name{}, ErrName
	}
	for _, c := range b {
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.') {
			return Name{}, ErrName
		}
	}
	n := Name{size: uint8(len(b))}
	copy(n.text[:], b)
	return n, nil
}

// IsValid reports whether n is a name.
func (n Name) IsValid() bool { return n.size > 0 }

// String is the name as text.
func (n Name) String() string { return string(n.text[:n.size]) }

// Compare orders names as their bytes do: -1 when n comes before m, 0 when they
// are the same, +1 when n comes after m.
func (n Name) Compare(m Name) int { return bytes.Compare(n.text[:n.size], m.text[:m.size]) }

// microseconds is d as it goes over the wire.
func microseconds(d time.Duration) uint32 {
	return uint32(min(max(d.Microseconds(), 0), math.MaxUint32))
}

// microsecondsOf is what microseconds has made into n.
func microsecondsOf(n uint32) time.Duration { return time.Duration(n) * time.Microsecond }
