package labtest

import (
	"fmt"
	"strings"
)

// maxLogged is how many lines of a log are shown with a failure, and maxLine
// how many bytes of each.
const (
	maxLogged  = 6
	maxLogLine = 200
)

// Logged names where the judged code complains: f returns the lines of its log
// that a learner should see when a law breaks, such as the panic that a server
// survived. The last few are shown.
func (t *T) Logged(f func() []string) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.logged = f
}

// complaints is what the judged code has logged, ready to be shown.
func (t *T) complaints() string {
	t.mu.Lock()
	f := t.logged
	t.mu.Unlock()
	if f == nil {
		return ""
	}
	lines := f()
	if len(lines) == 0 {
		return ""
	}
	var b strings.Builder
	fmt.Fprintf(&b, saidLogged, t.subjectName())
	for _, l := range lines[max(0, len(lines)-maxLogged):] {
		if l = strings.TrimSpace(l); len(l) > maxLogLine {
			l = l[:maxLogLine] + "…"
		}
		fmt.Fprintf(&b, "\n  %s", l)
	}
	return b.String()
}
