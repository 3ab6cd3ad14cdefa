package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	heartbeat "workbook.example/labs/04-udp-heartbeat"
)

// A screen shows what a Monitor knows: on a terminal as a table that is drawn
// again and again, elsewhere as a line for each change.
type screen struct {
	file  *os.File
	table bool

	mu     sync.Mutex // draw and event come from different goroutines
	out    *bufio.Writer
	recent []heartbeat.Event // the last few changes
	drawn  bool
}

// keptEvents is how many changes a table shows.
const keptEvents = 5

func newScreen(file *os.File, plain bool) *screen {
	_, _, terminal := size(file)
	return &screen{file: file, table: terminal && !plain && os.Getenv("TERM") != "dumb", out: bufio.NewWriterSize(file, 64<<10)}
}

func (s *screen) begin(header string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.table {
		io.WriteString(s.out, "\x1b[?1049h\x1b[?25l") // another page, without a cursor
	} else {
		fmt.Fprintln(s.out, header)
	}
	s.out.Flush()
}

// end brings the terminal back, and says in a line what has been.
func (s *screen) end(m *heartbeat.Monitor) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.table {
		io.WriteString(s.out, "\x1b[?25h\x1b[?1049l")
	}
	fmt.Fprintln(s.out, summary(m.Peers()))
	fmt.Fprintln(s.out, tally(m.Counters()))
	s.out.Flush()
}

// event is told by the monitor of each change.
func (s *screen) event(e heartbeat.Event) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.table {
		s.recent = append(s.recent, e)
		s.recent = s.recent[max(0, len(s.recent)-keptEvents):]
		return
	}
	fmt.Fprintln(s.out, change(e))
	s.out.Flush()
}

// change is an event as a line.
func change(e heartbeat.Event) string {
	text := fmt.Sprintf("is %v", e.To)
	switch {
	case e.From == heartbeat.Unknown:
		text = "is here"
	case e.From == heartbeat.Alive && e.To == heartbeat.Alive:
		text = "was restarted"
	case e.To == heartbeat.Left:
		text = "says goodbye"
	case e.To == heartbeat.Alive:
		text = fmt.Sprintf("is alive again, was %v", e.From)
	}
	return fmt.Sprintf("%s  %v %s (%v)", e.Time.Format("15:04:05.000"), e.Name, text, e.Addr)
}

// draw draws the table. Nothing is done off a terminal, where changes are lines.
func (s *screen) draw(header string, m *heartbeat.Monitor) {
	if !s.table {
		return
	}
	began := time.Now()
	width, height, _ := size(s.file)
	peers := m.Peers()
	slices.SortStableFunc(peers, func(a, b heartbeat.Peer) int { return urgency(a) - urgency(b) })
	counters := m.Counters()

	s.mu.Lock()
	defer s.mu.Unlock()
	lines := []string{header, summary(peers), tally(counters), ""}
	room := height - len(lines) - 2 - len(s.recent) - 3
	lines = append(lines, fmt.Sprintf("%-*s  %-8s %9s %9s %7s  %s", heartbeat.MaxName, "NAME", "STATE", "SINCE", "RTT", "LOSS", "ADDRESS"))
	for i, p := range peers {
		if i >= room && len(peers) > room+1 {
			lines = append(lines, fmt.Sprintf("… and %d more", len(peers)-i))
			break
		}
		lines = append(lines, row(p, began))
	}
	if len(s.recent) > 0 {
		lines = append(lines, "")
		for _, e := range s.recent {
			lines = append(lines, change(e))
		}
	}
	io.WriteString(s.out, "\x1b[H")
	for i, line := range lines[:min(len(lines), height-1)] {
		if runes := []rune(line); len(runes) > width {
			line = string(runes[:width])
		}
		if i > 0 {
			io.WriteString(s.out, "\r\n")
		}
		io.WriteString(s.out, line+"\x1b[K")
	}
	io.WriteString(s.out, "\x1b[J")
	s.out.Flush()
}

// urgency orders peers: who needs looking after comes first.
func urgency(p heartbeat.Peer) int {
	return slices.Index([]heartbeat.State{heartbeat.Dead, heartbeat.Suspect, heartbeat.Left, heartbeat.Alive}, p.State)
}

// row is a peer in the table.
func row(p heartbeat.Peer, now time.Time) string {
	rtt := "–"
	if p.RTT > 0 {
		rtt = short(p.RTT)
	}
	return fmt.Sprintf("%-*v  %-8v %9s %9s %6.2f%%  %v", heartbeat.MaxName, p.Name, p.State, short(now.Sub(p.Since)), rtt, 100*p.Stats.Loss(), p.Addr)
}

// short is a duration in a few characters.
func short(d time.Duration) string {
	switch {
	case d >= time.Minute:
		return d.Round(time.Second).String()
	case d >= time.Second:
		return fmt.Sprintf("%.1fs", d.Seconds())
	case d >= time.Millisecond:
		return fmt.Sprintf("%.1fms", float64(d)/float64(time.Millisecond))
	}
	return fmt.Sprintf("%dµs", d.Microseconds())
}

// summary counts peers by their states, and what they lost.
func summary(peers []heartbeat.Peer) string {
	count := map[heartbeat.State]int{}
	var expected, lost uint64
	for _, p := range peers {
		count[p.State]++
		expected += p.Stats.Expected
		lost += p.Stats.Lost()
	}
	loss := 0.0
	if expected > 0 {
		loss = 100 * float64(lost) / float64(expected)
	}
	noun := "peers"
	if len(peers) == 1 {
		noun = "peer"
	}
	return fmt.Sprintf("%d %s: %d alive, %d suspect, %d dead, %d left; %d of %d beats lost (%.3f %%)",
		len(peers), noun, count[heartbeat.Alive], count[heartbeat.Suspect], count[heartbeat.Dead], count[heartbeat.Left], lost, expected, loss)
}

// tally is what became of all datagrams.
func tally(c heartbeat.Counters) string {
	text := fmt.Sprintf("%d datagrams accepted", c.Accepted)
	var others []string
	for _, o := range []struct {
		n    uint64
		what string
	}{
		{c.Foreign, "foreign"}, {c.Forged, "forged"}, {c.Malformed, "malformed"},
		{c.Replayed, "repeated"}, {c.WrongSource, "from a wrong source"}, {c.Refused, "refused"},
	} {
		if o.n > 0 {
			others = append(others, fmt.Sprintf("%d %s", o.n, o.what))
		}
	}
	if others != nil {
		text += "; " + strings.Join(others, ", ")
	}
	return text
}
