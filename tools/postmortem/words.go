package postmortem

import (
	"fmt"
	"strings"
)

// Everything that a learner reads of this package is in this file.

const (
	verbWaits    = "waits"
	verbSleeps   = "sleeps"
	verbComputes = "computes"
)

// causes are the reasons for standing still, the most telling first: what a
// program should never do before what a server does all day.
var causes = []struct {
	key  string
	verb string
	what string
}{
	{"compute", verbComputes, ""},
	{"nil receive", verbWaits, "a receive from a nil channel, which never comes"},
	{"nil send", verbWaits, "a send to a nil channel, which never goes"},
	{"no cases", verbWaits, "a select without cases, which never ends"},
	{"mutex", verbWaits, "a sync.Mutex"},
	{"rwmutex", verbWaits, "a sync.RWMutex"},
	{"send", verbWaits, "a channel send: nobody receives"},
	{"receive", verbWaits, "a channel receive: nobody sends"},
	{"waitgroup", verbWaits, "a sync.WaitGroup"},
	{"cond", verbWaits, "a sync.Cond"},
	{"once", verbWaits, "a sync.Once"},
	{"select", verbWaits, "a select: none of its channels is ready"},
	{"pipe write", verbWaits, "Write to an io.Pipe"},
	{"pipe read", verbWaits, "Read from an io.Pipe"},
	{"write", verbWaits, "Write to a connection"},
	{"close", verbWaits, "Close of a connection"},
	{"dial", verbWaits, "a connection to be made"},
	{"datagram", verbWaits, "a datagram"},
	{"read", verbWaits, "Read from a connection"},
	{"accept", verbWaits, "Accept on a listener"},
	{"io", verbWaits, "input or output"},
	{"syscall", verbWaits, "a system call"},
	{"sleep", verbSleeps, ""},
}

// String is "shutdown.go:31".
func (p Place) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// String is a sentence without its full stop, such as "goroutine of
// (*Server).Shutdown waits at registry.go:31, in (*Registry).Names, for a
// sync.Mutex".
func (g Goroutine) String() string {
	who, s := "goroutine of "+g.Func, ""
	if g.Count > 1 {
		who = fmt.Sprintf("%d goroutines of %s", g.Count, g.Func)
	} else {
		s = "s"
	}
	at, comma := g.At.String(), ""
	if g.In != g.Func {
		at, comma = at+", in "+g.In, ","
	}
	switch {
	case g.Crashed:
		return fmt.Sprintf("%s panicked at %s", who, at)
	case g.Doing.Verb == verbComputes:
		return fmt.Sprintf("%s run%s at %s%s and never stop%s computing", who, s, at, comma, s)
	case g.Doing.Verb == verbSleeps:
		return fmt.Sprintf("%s sleep%s at %s", who, s, at)
	default:
		return fmt.Sprintf("%s wait%s at %s%s for %s", who, s, at, comma, g.Doing.For)
	}
}

// Origin says where the goroutine came from, such as "started at server.go:40
// by (*Server).Serve"; it is empty where no judged code started it.
func (g Goroutine) Origin() string {
	if g.Creator == "" {
		return ""
	}
	return fmt.Sprintf("started at %s by %s", g.CreatedAt, g.Creator)
}

// String says on two lines who touched the same memory where.
func (r Race) String() string {
	var b strings.Builder
	for i, a := range r.Accesses {
		verb := "reads"
		if a.Write {
			verb = "writes"
		}
		switch i {
		case 0:
			fmt.Fprintf(&b, "%s %s at %s\n", a.Func, verb, a.At)
		default:
			fmt.Fprintf(&b, "  while %s %s the same memory at %s, in another goroutine\n", a.Func, verb, a.At)
		}
	}
	return b.String()
}

// String is the report as a learner reads it, a line for each goroutine.
func (r Report) String() string {
	var b strings.Builder
	if r.Panic != "" {
		fmt.Fprintf(&b, "panic: %s\n", r.Panic)
	}
	for _, g := range r.Goroutines {
		fmt.Fprintln(&b, g)
		if from := g.Origin(); from != "" && g.CreatedAt != g.At {
			fmt.Fprintf(&b, "    %s\n", from)
		}
	}
	for _, race := range r.Races {
		b.WriteString(race.String())
	}
	return b.String()
}
