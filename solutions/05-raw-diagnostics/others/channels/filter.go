package rawdiag

import (
	"encoding/binary"
	"errors"
	"net/netip"
	"slices"

	"golang.org/x/net/bpf"
)

// A Spec says which frames are wanted. What is zero does not matter; the rest must
// all hold.
type Spec struct {
	Protocol Protocol
	Host     netip.Addr // source or destination
	Port     uint16     // source or destination, of TCP or UDP
}

// ErrContradiction is a Spec that no frame can meet: a port of ICMP, say.
var ErrContradiction = errors.New("no frame can be like that")

// Filter is a program that the kernel runs for each frame. It is written from its end to
// its beginning: so it is known, of each jump, how far away is what it leaves to.
func Filter(spec Spec) ([]bpf.Instruction, error) {
	host := spec.Host.Unmap()
	switch {
	case spec.Port != 0 && (spec.Protocol == ICMP || spec.Protocol == ICMPv6),
		spec.Port != 0 && spec.Protocol != 0 && spec.Protocol != TCP && spec.Protocol != UDP,
		host.Is6() && spec.Protocol == ICMP, host.Is4() && spec.Protocol == ICMPv6:
		return nil, ErrContradiction
	case spec == Spec{}:
		return []bpf.Instruction{bpf.RetConstant{Val: 1 << 18}}, nil
	}
	var b backwards
	b.put(bpf.RetConstant{Val: 1 << 18})
	accept := b.here()
	b.put(bpf.RetConstant{})
	refuse := b.here()
	next := refuse
	if !host.Is4() && spec.Protocol != ICMP {
		at := b.ports6(spec, accept, refuse)
		if host.IsValid() {
			at = b.host(14+8, 14+24, host.AsSlice(), at, refuse)
		}
		if spec.Protocol != 0 {
			if spec.Port == 0 {
				b.is(14+40, 1, uint32(spec.Protocol), at, refuse)
				b.is(14+6, 1, 44, b.here(), refuse)
				b.is(14+6, 1, uint32(spec.Protocol), at, b.here())
			} else {
				b.is(14+6, 1, uint32(spec.Protocol), at, refuse)
			}
			at = b.here()
		}
		next = b.is(12, 2, TypeIPv6, at, refuse)
	}
	if !host.Is6() && spec.Protocol != ICMPv6 {
		at := b.ports4(spec, accept, refuse)
		if host.IsValid() {
			at = b.host(14+12, 14+16, host.AsSlice(), at, refuse)
		}
		if spec.Protocol != 0 {
			at = b.is(14+9, 1, uint32(spec.Protocol), at, refuse)
		}
		b.is(12, 2, TypeIPv4, at, next)
	}
	slices.Reverse(b)
	return b, nil
}

// backwards is a program, its last instruction first.
type backwards []bpf.Instruction

// here is the instruction that was put last: the place of a jump's end.
func (b *backwards) here() int { return len(*b) }

func (b *backwards) put(i bpf.Instruction) { *b = append(*b, i) }

// jump goes to one of two places.
func (b *backwards) jump(test bpf.JumpTest, value uint32, yes, no int) {
	b.put(bpf.JumpIf{Cond: test, Val: value, SkipTrue: uint8(len(*b) - yes), SkipFalse: uint8(len(*b) - no)})
}

// is compares bytes of the frame.
func (b *backwards) is(at uint32, size int, value uint32, yes, no int) int {
	b.jump(bpf.JumpEqual, value, yes, no)
	b.put(bpf.LoadAbsolute{Off: at, Size: size})
	return b.here()
}

// host wants an address at one of two places.
func (b *backwards) host(src, dst uint32, addr []byte, yes, no int) int {
	other := b.equal(dst, addr, yes, no)
	return b.equal(src, addr, yes, other)
}

func (b *backwards) equal(at uint32, addr []byte, yes, no int) int {
	for i := len(addr) - 4; i >= 0; i -= 4 {
		yes = b.is(at+uint32(i), 4, binary.BigEndian.Uint32(addr[i:]), yes, no)
	}
	return yes
}

func (b *backwards) ports4(spec Spec, yes, no int) int {
	if spec.Port == 0 {
		return yes
	}
	b.jump(bpf.JumpEqual, uint32(spec.Port), yes, no)
	b.put(bpf.LoadIndirect{Off: 14 + 2, Size: 2})
	other := b.here()
	b.jump(bpf.JumpEqual, uint32(spec.Port), yes, other)
	b.put(bpf.LoadIndirect{Off: 14, Size: 2})
	b.put(bpf.LoadMemShift{Off: 14})
	b.jump(bpf.JumpBitsSet, 0x1fff, no, b.here())
	b.put(bpf.LoadAbsolute{Off: 14 + 6, Size: 2})
	return b.transport(14+9, spec, no)
}

func (b *backwards) ports6(spec Spec, yes, no int) int {
	if spec.Port == 0 {
		return yes
	}
	other := b.is(14+40+2, 2, uint32(spec.Port), yes, no)
	b.is(14+40, 2, uint32(spec.Port), yes, other)
	return b.transport(14+6, spec, no)
}

// transport wants one that has ports, unless the spec has named one.
func (b *backwards) transport(at uint32, spec Spec, no int) int {
	if ports := b.here(); spec.Protocol == 0 {
		other := b.is(at, 1, uint32(UDP), ports, no)
		b.is(at, 1, uint32(TCP), ports, other)
	}
	return b.here()
}
