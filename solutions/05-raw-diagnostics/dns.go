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

// Lookups are what a capture shows of name servers: frames to and from UDP port 53.
// The zero value is empty and ready.
type Lookups struct {
	waiting map[question]*Lookup
	all     []*Lookup
}

// question is all that an answer must have in common with what was asked: who asked
// whom, by which number, for what. The number alone, 16 bits, is used again soon,
// and anybody can guess it: RFC 5452, section 9.
type question struct {
	client, server netip.AddrPort
	id             uint16
	name           string
	typ            dnsmessage.Type
}

// Add looks at a frame. A question that is asked again, before it was answered, is
// the same one.
func (d *Lookups) Add(at time.Time, l *Layers) {
	if l.Has&HasUDP == 0 || l.UDP.Src != 53 && l.UDP.Dst != 53 {
		return
	}
	var p dnsmessage.Parser
	header, err := p.Start(l.Payload)
	if err != nil {
		return
	}
	asked, err := p.Question()
	if err != nil {
		return
	}
	src, dst := l.Endpoints()
	q := question{src, dst, header.ID, strings.ToLower(asked.Name.String()), asked.Type}
	if header.Response {
		q.client, q.server = dst, src
	}
	known := d.waiting[q]
	switch {
	case header.Response && known != nil:
		known.Answered, known.RCode, known.Took = true, header.RCode, at.Sub(known.Asked)
		delete(d.waiting, q)
	case !header.Response && known == nil:
		known = &Lookup{Client: q.client, Server: q.server, Name: q.name, Type: q.typ, Asked: at}
		if d.waiting == nil {
			d.waiting = map[question]*Lookup{}
		}
		d.waiting[q] = known
		d.all = append(d.all, known)
	}
}

// All are the lookups, in the order in which they were asked.
func (d *Lookups) All() []Lookup {
	all := make([]Lookup, len(d.all))
	for i, l := range d.all {
		all[i] = *l
	}
	return all
}
