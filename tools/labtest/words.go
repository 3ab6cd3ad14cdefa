package labtest

import (
	"fmt"
	"regexp"
	"strings"
)

// Everything that a learner reads of this package is in this file, except what
// package postmortem says about goroutines.

// Participants, values and parts of sentences.
const (
	wordServer   = "server"
	wordStage    = "Stage %d"
	wordTitled   = "Stage %d (%s)"
	wordMessage  = "a message"
	wordFrames   = "%d lines"
	wordAny      = "anything"
	wordNonEmpty = "something not empty"
	wordAbsent   = "absent"
	wordFitting  = "what the law asks for"
	wordEOF      = "the connection was closed (EOF)"
	wordFIN      = "the end of the connection (FIN)"
	wordRST      = "a reset of the connection (RST)"
	wordEnd      = "the end of the connection"
	wordSocket   = "a socket"
	wordSkipped  = "This test skipped itself."
)

// Sentences about what happened.
const (
	saidFurther     = "\n… and %d more."
	saidNoEnd       = "The test was not over after %s: something waits for ever, or never stops computing."
	saidNever       = "%s did not happen within %s."
	saidNoReturn    = "%s did not return within %s."
	saidPanic       = "%s panicked: %v"
	saidLogged      = "the %s logged"
	saidGoexit      = "%s ended the goroutine that called it (runtime.Goexit)."
	saidStuck       = "Everybody waits, and no timer is left that could wake anybody."
	saidLeftBehind  = "The connection is over, and goroutines of it still wait, for ever."
	saidGate        = "%s must pass before this can be judged:\n%v"
	saidProbePanic  = "it panicked: %v\n%v"
	saidProbeHang   = "it did not end within %s\n%v"
	saidNoDial      = "%s could not connect to the %s: %v."
	saidNoClient    = "The %s did not connect to the %s within %s."
	saidNoReader    = "The %s did not read what %s sent (%s) for %s."
	saidSendReset   = "The %s had ended the connection before %s could send %s."
	saidSendFailed  = "%s could not send %s: %v."
	saidOther       = "%s was sent %s; expected %s."
	saidNotNothing  = "%s was sent %s; expected nothing."
	saidNotObject   = "%s was sent %s, which is not a JSON object; expected %s."
	saidLongLine    = "%s was sent more than 4 MiB without a line end (LF)."
	saidNothingCame = "%s waited %s for %s and got nothing."
	saidPart        = "%s waited %s for %s and got only %s, without a line end (LF)."
	saidNoFull      = "A listener (%s) whose backlog stays full cannot be made here: %v."
	saidStaysOpen   = "The %s kept the connection open: %s waited %s for %s."
	saidEnded       = "%s before %s got %s."
	saidNotOpen     = "%s while %s expected it to stay open."
	saidOtherEnd    = "%s; %s expected %s."
	saidCutFrame    = "%s in the middle of a frame: %s had got %s without its line end (LF)."
	saidClosed      = "The %s closed the connection (EOF)"
	saidReset       = "The %s reset the connection (RST)"
	saidLost        = "The connection was lost (%v)"
	saidForeign     = "A goroutine was started during the test and is still there."
)

// What stands in the conversation as it is drawn.
const (
	labelFIN      = "FIN (no more to come)"
	labelClose    = "FIN (closed)"
	labelRST      = "RST (connection reset)"
	labelStopped  = "stops reading"
	labelSilence  = "nothing for %s"
	labelBytewise = "byte by byte: %s"
	labelTogether = "same write: %s"
	labelUnsent   = "could not be sent"
	labelUnread   = "not read for %s"
	labelLong     = "%s… %d bytes"

	labelListener   = "a listener on %s"
	labelConnection = "a connection %s → %s"
	labelSocket     = "a socket bound to %s"

	labelStalls  = "%s passes nothing on"
	labelResumes = "%s passes bytes on again"
	labelCuts    = "%s ends all connections (FIN)"
	labelResets  = "%s resets all connections (RST)"

	labelLost      = "%s, lost"
	labelTwice     = "%s, arrives twice"
	labelOneWay    = "nothing passes from %s to %s"
	labelPartition = "%s and all others are cut off from each other"
	labelHealed    = "everything passes again"

	markExpected  = "expected %s"
	markNothing   = "expected nothing"
	markOpen      = "expected to stay open"
	markWhole     = "not a whole frame"
	markRead      = "expected to be read"
	markConnected = "expected the connection to be open"
)

// What a proxy does after so many bytes in a direction.
var (
	labelAfter = map[breakage]string{
		stall: "%s passes nothing on after %d bytes to the %s",
		cut:   "%s ends the connection (FIN) after %d bytes to the %s",
		reset: "%s resets the connection (RST) after %d bytes to the %s",
	}
	labelDirection = map[Direction]string{ToServer: "server", ToClient: "client"}
)

// What an author or a runner did wrong.
const badSeed = "labtest: %s is %q; expected a number from 0 to 18446744073709551615\n"

// saidLeft says that goroutines of the judged code outlived the test.
func saidLeft(n int) string {
	if n == 1 {
		return "1 goroutine of your code is still there after the test."
	}
	return fmt.Sprintf("%d goroutines of your code are still there after the test.", n)
}

// saidOpen says that descriptors outlived the test.
func saidOpen(n int) string {
	if n == 1 {
		return "1 descriptor is still open after the test."
	}
	return fmt.Sprintf("%d descriptors are still open after the test.", n)
}

// listed is "a", "a and b", "a, b and c".
func listed(names []string) string {
	if len(names) < 2 {
		return strings.Join(names, "")
	}
	last := len(names) - 1
	return strings.Join(names[:last], ", ") + " and " + names[last]
}

// line is what was printed by way of Sprintln, as a line.
func line(s string) string { return strings.TrimSuffix(s, "\n") }

func indent(s string) string {
	return "    " + strings.ReplaceAll(strings.TrimRight(s, "\n"), "\n", "\n    ") + "\n"
}

// section matches the beginning of a part of what testify says.
var section = regexp.MustCompile(`^\t(Error Trace|Error|Test|Messages):\s*\t(.*)$`)

// plain takes out of what testify says what a learner can do without: the trace
// and the name of the test.
func plain(said string) string {
	said = strings.Trim(said, "\n")
	if !strings.HasPrefix(said, "\tError Trace:") {
		return said
	}
	var out []string
	keep := false
	for text := range strings.Lines(said) {
		text = strings.TrimRight(text, "\n")
		if m := section.FindStringSubmatch(text); m != nil {
			keep = m[1] == "Error" || m[1] == "Messages"
			text = m[2]
		} else {
			text = strings.TrimPrefix(strings.TrimPrefix(text, "\t            \t"), "\t")
		}
		if keep {
			out = append(out, strings.TrimRight(text, " "))
		}
	}
	return strings.Join(out, "\n")
}
