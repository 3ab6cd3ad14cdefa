package result

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// The environment that the runner gives to a lab's tests. A plain `go test`
// sets none of it and gets the same verdicts as text.
const (
	EnvEvents = "WORKBOOK_EVENTS" // the file that Events are appended to
	EnvLab    = "WORKBOOK_LAB"    // the folder of lab.toml, where it is not the working directory
	EnvCode   = "WORKBOOK_CODE"   // the folder where the judged files really are
	EnvSeed   = "WORKBOOK_SEED"   // the seed to replay
)

// EventKind says what an Event reports.
type EventKind string

// The kinds of event. Every test sends both, in this order; a begin without
// its end is a test that the process did not survive.
const (
	Begin EventKind = "begin"
	End   EventKind = "end"
)

// Event is a line that a test process writes for the runner. Verdicts travel
// only this way: what a process prints is never searched for them.
type Event struct {
	Event   EventKind `json:"event"`
	Test    string    `json:"test"`
	Verdict Verdict   `json:"verdict,omitempty"`
	Failure *Failure  `json:"failure,omitempty"`
	Seconds float64   `json:"seconds,omitempty"`
}

// WriteEvent appends e to w as one line in one Write, so that a process that
// dies in the middle leaves no half of an earlier line behind.
func WriteEvent(w io.Writer, e Event) error {
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("event of %s: %w", e.Test, err)
	}
	_, err = w.Write(append(line, '\n'))
	return err
}

// ReadEvents reads what WriteEvent wrote. A last line without its newline was
// cut off by the end of its process and is left out.
func ReadEvents(r io.Reader) ([]Event, error) {
	var events []Event
	in := bufio.NewReader(r)
	for {
		line, err := in.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return events, nil
		}
		if err != nil {
			return events, err
		}
		var e Event
		if err := json.Unmarshal(line, &e); err != nil {
			return events, fmt.Errorf("event %d: %w", len(events)+1, err)
		}
		events = append(events, e)
	}
}
