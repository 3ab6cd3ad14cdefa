package rawdiag

import (
	"encoding/binary"
	"errors"
	"net/netip"

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

// keep is how much of a frame is kept that a filter accepts: all of it.
const keep = 256 << 10

// Filter is a program that the kernel runs for each frame: it accepts what spec
// wants, of IPv4 and IPv6 in Ethernet frames without a VLAN tag (the kernel takes
// tags off before it filters). It is classic BPF: see Linux'
// Documentation/networking/filter.rst, and Steven McCanne and Van Jacobson, USENIX
// 1993.
//
// A fragment that is not the first has no port, so it is not accepted where one is
// wanted. IPv6 extension headers hide what follows them, except that a fragment's
// header is looked through for the protocol alone.
func Filter(spec Spec) ([]bpf.Instruction, error) {
	spec.Host = spec.Host.Unmap()
	hasPorts := spec.Protocol == 0 || spec.Protocol == TCP || spec.Protocol == UDP
	if spec.Port != 0 && !hasPorts {
		return nil, ErrContradiction
	}
	v4 := !spec.Host.Is6() && spec.Protocol != ICMPv6
	v6 := !spec.Host.Is4() && spec.Protocol != ICMP
	if !v4 && !v6 {
		return nil, ErrContradiction
	}
	if spec == (Spec{}) {
		return []bpf.Instruction{bpf.RetConstant{Val: keep}}, nil
	}
	var p program
	if v4 {
		p.load(half(12))
		p.equal(TypeIPv4, "", "not IPv4")
		p.ipv4(spec)
		p.label("not IPv4")
	}
	if v6 {
		p.load(half(12))
		p.equal(TypeIPv6, "", "refuse")
		p.ipv6(spec)
	}
	p.label("refuse")
	p.load(bpf.RetConstant{Val: 0})
	return p.assemble(), nil
}

func (p *program) ipv4(spec Spec) {
	if spec.Protocol != 0 {
		p.load(one(14 + 9))
		p.equal(uint32(spec.Protocol), "", "refuse")
	}
	if spec.Host.IsValid() {
		host := spec.Host.As4()
		p.load(word(14 + 12))
		p.equal(binary.BigEndian.Uint32(host[:]), "IPv4 host", "")
		p.load(word(14 + 16))
		p.equal(binary.BigEndian.Uint32(host[:]), "", "refuse")
		p.label("IPv4 host")
	}
	if spec.Port != 0 {
		if spec.Protocol == 0 {
			p.load(one(14 + 9))
			p.equal(uint32(TCP), "IPv4 ports", "")
			p.equal(uint32(UDP), "", "refuse")
			p.label("IPv4 ports")
		}
		p.load(half(14 + 6))
		p.jump(bpf.JumpBitsSet, 0x1fff, "refuse", "") // the offset of a fragment
		p.load(bpf.LoadMemShift{Off: 14})             // X is the length of the header
		p.load(bpf.LoadIndirect{Off: 14, Size: 2})
		p.equal(uint32(spec.Port), "IPv4 accept", "")
		p.load(bpf.LoadIndirect{Off: 14 + 2, Size: 2})
		p.equal(uint32(spec.Port), "", "refuse")
		p.label("IPv4 accept")
	}
	p.load(bpf.RetConstant{Val: keep})
}

func (p *program) ipv6(spec Spec) {
	if spec.Protocol != 0 {
		p.load(one(14 + 6))
		if spec.Port == 0 {
			p.equal(uint32(spec.Protocol), "IPv6 protocol", "")
			p.equal(fragmentHeader, "", "refuse")
			p.load(one(14 + 40))
		}
		p.equal(uint32(spec.Protocol), "", "refuse")
		p.label("IPv6 protocol")
	}
	if spec.Host.IsValid() {
		p.host6(14+8, spec.Host, "IPv6 host", "IPv6 destination")
		p.label("IPv6 destination")
		p.host6(14+24, spec.Host, "", "refuse")
		p.label("IPv6 host")
	}
	if spec.Port != 0 {
		if spec.Protocol == 0 {
			p.load(one(14 + 6))
			p.equal(uint32(TCP), "IPv6 ports", "")
			p.equal(uint32(UDP), "", "refuse")
			p.label("IPv6 ports")
		}
		p.load(half(14 + 40))
		p.equal(uint32(spec.Port), "IPv6 accept", "")
		p.load(half(14 + 40 + 2))
		p.equal(uint32(spec.Port), "", "refuse")
		p.label("IPv6 accept")
	}
	p.load(bpf.RetConstant{Val: keep})
}

// host6 compares the 16 bytes at an offset with an address, word by word.
func (p *program) host6(offset uint32, host netip.Addr, yes, no string) {
	b := host.As16()
	for i := uint32(0); i < 16; i += 4 {
		p.load(word(offset + i))
		if i < 12 {
			p.equal(binary.BigEndian.Uint32(b[i:]), "", no)
		} else {
			p.equal(binary.BigEndian.Uint32(b[i:]), yes, no)
		}
	}
}

func one(offset uint32) bpf.Instruction  { return bpf.LoadAbsolute{Off: offset, Size: 1} }
func half(offset uint32) bpf.Instruction { return bpf.LoadAbsolute{Off: offset, Size: 2} }
func word(offset uint32) bpf.Instruction { return bpf.LoadAbsolute{Off: offset, Size: 4} }

// A program is instructions whose jumps go to labels. In BPF a jump says how many
// instructions it leaves out, which is not known while they are being written.
type program struct {
	code   []instruction
	labels map[string]int // the instruction that follows the label
}

type instruction struct {
	bpf.Instruction
	yes, no string // of a jump: labels, or nothing for the next instruction
}

func (p *program) load(i bpf.Instruction) { p.code = append(p.code, instruction{Instruction: i}) }

// equal compares what was loaded last.
func (p *program) equal(value uint32, yes, no string) { p.jump(bpf.JumpEqual, value, yes, no) }

func (p *program) jump(test bpf.JumpTest, value uint32, yes, no string) {
	p.code = append(p.code, instruction{bpf.JumpIf{Cond: test, Val: value}, yes, no})
}

func (p *program) label(name string) {
	if p.labels == nil {
		p.labels = map[string]int{}
	}
	p.labels[name] = len(p.code)
}

// assemble puts distances in the place of labels. The longest program is far
// shorter than the 255 instructions that a jump can leave out.
func (p *program) assemble() []bpf.Instruction {
	var code []bpf.Instruction
	for at, i := range p.code {
		if jump, ok := i.Instruction.(bpf.JumpIf); ok {
			if i.yes != "" {
				jump.SkipTrue = uint8(p.labels[i.yes] - at - 1)
			}
			if i.no != "" {
				jump.SkipFalse = uint8(p.labels[i.no] - at - 1)
			}
			i.Instruction = jump
		}
		code = append(code, i.Instruction)
	}
	return code
}
