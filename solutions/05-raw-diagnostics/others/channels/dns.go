package rawdiag

import (
	"net/netip"
	"strings"
	"time"

	"golang.org/x/net/dns/dnsmessage"
)

// A Lookup is a question to a name server, over UDP, and what came of it.
type Lookup struct {
	Client, Server netip.AddrPort
	Name           string // with a dot at its end, in lower case
	Type           dnsmessage.Type
	Asked          time.Time // for the first time
	Answered       bool
	RCode          dnsmessage.RCode // if it was answered
	Took           time.Duration    // until the first answer
}

// Lookups are what a capture shows of name servers.
type Lookups struct {
	all []Lookup
	ids []uint16 // of the same
}

// Add looks at a frame.
func (d *Lookups) Add(at time.Time, l *Layers) {
	src, dst := l.Endpoints()
	if l.Has&HasUDP == 0 || src.Port() != 53 && dst.Port() != 53 {
		return
	}
	var m dnsmessage.Parser
	h, err := m.Start(l.Payload)
	if err != nil {
		return
	}
	q, err := m.Question()
	if err != nil {
		return
	}
	look := Lookup{Client: src, Server: dst, Name: strings.ToLower(q.Name.String()), Type: q.Type, Asked: at}
	if h.Response {
		look.Client, look.Server = dst, src
	}
	for i := len(d.all) - 1; i >= 0; i-- {
		known := &d.all[i]
		if d.ids[i] != h.ID || known.Answered || known.Client != look.Client || known.Server != look.Server || known.Name != look.Name || known.Type != look.Type {
			continue
		}
		if h.Response {
			known.Answered, known.RCode, known.Took = true, h.RCode, at.Sub(known.Asked)
		}
		return
	}
	if !h.Response {
		d.all, d.ids = append(d.all, look), append(d.ids, h.ID)
	}
}

// All are the lookups, in the order in which they were asked.
func (d *Lookups) All() []Lookup { return append([]Lookup(nil), d.all...) }
