package run

import (
	"bytes"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync"
)

// marker is what package testing puts before its own lines with
// -test.v=test2json, so that they can be told from what the code prints, even
// if that does not end its lines.
const marker = '\x16'

// Limits on what is kept of what a process prints. The process may print as
// much as it likes: it is read to the end, and what is too much is counted.
const (
	keepHead = 20        // lines of output at the start
	keepTail = 20        // and at the end
	maxLine  = 400       // bytes of a line of output
	maxDump  = 512 << 10 // bytes of a dump or a race report
	maxRaces = 8         // reports a test
)

// stream reads what a process prints, stdout and stderr together, in the order
// in which it was printed, and sorts it by whose it is: package testing's, the
// race detector's, the runtime's when the process dies, or the code's.
type stream struct {
	mu       sync.Mutex
	progress func() // called at each sign of a test beginning or ending

	partial []byte
	current string             // the test that runs, by testing's own lines
	outputs map[string]*output // by test; "" is outside of any
	failed  map[string]bool    // tests that testing itself calls failed
	races   map[string][]string
	ended   bool // testing said PASS or FAIL at the end

	report *bytes.Buffer // a race report that is being read
	crash  *bytes.Buffer // what looks like a dying process' last words
}

func newStream(progress func()) *stream {
	return &stream{
		progress: progress,
		outputs:  map[string]*output{},
		failed:   map[string]bool{},
		races:    map[string][]string{},
	}
}

// Write takes what the process prints. It never fails and never blocks, so the
// process is never held up.
func (s *stream) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := len(p)
	for len(p) > 0 {
		i := bytes.IndexByte(p, '\n')
		if i < 0 {
			s.hold(p)
			break
		}
		if len(s.partial) == 0 {
			s.line(p[:i])
		} else {
			s.hold(p[:i])
			s.line(s.partial)
			s.partial = s.partial[:0]
		}
		p = p[i+1:]
	}
	return n, nil
}

// hold keeps the beginning of a line until its end comes, or as much of it as
// is ever looked at. The end of an endless line is kept too: testing's line
// may follow without a newline between.
func (s *stream) hold(p []byte) {
	const most = 64 << 10
	s.partial = append(s.partial, p...)
	if len(s.partial) > most {
		s.partial = append(s.partial[:most/4], s.partial[len(s.partial)-most/2:]...)
	}
}

// close ends the stream and says what the process' last words were.
func (s *stream) close() (dump string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.partial) > 0 {
		s.line(s.partial)
	}
	s.endReport()
	if s.crash == nil {
		return ""
	}
	return s.crash.String()
}

func (s *stream) line(line []byte) {
	if i := bytes.LastIndexByte(line, marker); i >= 0 {
		if i > 0 {
			s.print(line[:i])
		}
		s.testing(string(line[i+1:]))
		return
	}
	switch {
	case s.report != nil:
		add(s.report, line)
		if isRule(line) {
			s.endReport()
		}
	case s.startsReport(line):
	case isDeathCry(line):
		// A cry in a dump that is being read begins the next one: of a panic
		// while panicking, or of SIGQUIT.
		s.forgive()
		s.crash = new(bytes.Buffer)
		add(s.crash, line)
	case s.crash != nil:
		add(s.crash, line)
	case bytes.HasSuffix(line, []byte(": race detected during execution of test")),
		string(line) == "testing: warning: no tests to run":
	default:
		s.print(line)
	}
}

// rule surrounds the reports of the race detector.
const rule = "=================="

func isRule(line []byte) bool { return string(line) == rule }

// startsReport reports whether a line begins a race report. The rule before it
// has been taken for output by then and is taken back.
func (s *stream) startsReport(line []byte) bool {
	if !bytes.HasPrefix(line, []byte("WARNING: DATA RACE")) {
		return false
	}
	s.output().takeBack(rule)
	s.report = bytes.NewBufferString(rule + "\n")
	add(s.report, line)
	return true
}

func (s *stream) endReport() {
	if s.report == nil {
		return
	}
	if len(s.races[s.current]) < maxRaces {
		s.races[s.current] = append(s.races[s.current], s.report.String())
	}
	s.report = nil
}

// deathCries are how the Go runtime begins to speak when a process dies.
var deathCries = []string{
	"panic: ", "fatal error: ", "SIGQUIT: quit", "SIGABRT: abort", "unexpected fault address ",
	"runtime: goroutine stack exceeds ", "runtime: out of memory",
}

// isDeathCry is asked for every line, of which there may be millions.
func isDeathCry(line []byte) bool {
	return slices.ContainsFunc(deathCries, func(cry string) bool {
		return len(line) >= len(cry) && string(line[:len(cry)]) == cry
	})
}

var verdictLine = regexp.MustCompile(`^--- (PASS|FAIL|SKIP): (\S+)`)

// testing reads a line of package testing.
func (s *stream) testing(line string) {
	s.endReport()
	s.forgive()
	if name, ok := strings.CutPrefix(line, "=== RUN   "); ok && !strings.Contains(name, "/") {
		s.current = name
		s.progress()
	}
	if m := verdictLine.FindStringSubmatch(line); m != nil && m[1] == "FAIL" {
		s.failed[m[2]] = true
	}
	if line == "PASS" || line == "FAIL" {
		s.current, s.ended = "", true
	}
	s.progress()
}

// forgive makes output of what looked like last words: the process went on.
func (s *stream) forgive() {
	if s.crash == nil {
		return
	}
	for line := range strings.Lines(s.crash.String()) {
		s.print([]byte(strings.TrimSuffix(line, "\n")))
	}
	s.crash = nil
}

func (s *stream) print(line []byte) { s.output().add(line) }

func (s *stream) output() *output {
	if s.outputs[s.current] == nil {
		s.outputs[s.current] = new(output)
	}
	return s.outputs[s.current]
}

func add(b *bytes.Buffer, line []byte) {
	if b.Len()+len(line) < maxDump {
		b.Write(line)
		b.WriteByte('\n')
	}
}

// output keeps the first and the last lines of what was printed.
type output struct {
	head, tail []string
	oldest     int // of tail, which is a ring once it is full
	cut        int
}

func (o *output) add(line []byte) {
	text := string(line[:min(len(line), maxLine)])
	if len(line) > maxLine {
		text += "…"
	}
	switch {
	case len(o.head) < keepHead:
		o.head = append(o.head, text)
	case len(o.tail) < keepTail:
		o.tail = append(o.tail, text)
	default:
		o.tail[o.oldest] = text
		o.oldest = (o.oldest + 1) % keepTail
		o.cut++
	}
}

// takeBack removes the last line if it is this one.
func (o *output) takeBack(line string) {
	if len(o.tail) == 0 {
		if n := len(o.head); n > 0 && o.head[n-1] == line {
			o.head = o.head[:n-1]
		}
		return
	}
	o.tail = slices.Concat(o.tail[o.oldest:], o.tail[:o.oldest])
	o.oldest = 0
	if n := len(o.tail); o.tail[n-1] == line {
		o.tail = o.tail[:n-1]
	}
}

// text is the output as it is shown, with a line in the place of those that
// are not.
func (o *output) text() (text string, cut int) {
	if o == nil {
		return "", 0
	}
	lines := slices.Clone(o.head)
	if o.cut > 0 {
		lines = append(lines, fmt.Sprintf(linesLeftOut, o.cut))
	}
	lines = append(lines, o.tail[o.oldest:]...)
	lines = append(lines, o.tail[:o.oldest]...)
	return strings.ToValidUTF8(strings.Join(lines, "\n"), "\uFFFD"), o.cut
}
