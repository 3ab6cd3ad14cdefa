package rawdiag

import (
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
	return nil, errors.New("Filter: not implemented yet (labs/05-raw-diagnostics/README.md#7-filters)")
}

func one(offset uint32) bpf.Instruction  { return bpf.LoadAbsolute{Off: offset, Size: 1} }
func half(offset uint32) bpf.Instruction { return bpf.LoadAbsolute{Off: offset, Size: 2} }
func word(offset uint32) bpf.Instruction { return bpf.LoadAbsolute{Off: offset, Size: 4} }
