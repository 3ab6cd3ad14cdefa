package labtest

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"workbook.example/tools/result"
	"workbook.example/tools/wire"
)

// Receive is the next message.
func (p *Peer) Receive() Message {
	p.t.Helper()
	m, _ := p.receive(nil, Patience)
	p.came(m, nil, "")
	return m
}

// Expect is the next message, which must have all wanted fields. To pass over
// others until it comes, see Await.
func (p *Peer) Expect(want Fields) Message {
	p.t.Helper()
	m, _ := p.receive(want, Patience)
	if missed := m.misses(want); len(missed) > 0 {
		p.came(m, want, fmt.Sprintf(markExpected, unbraced(describeWanted(m, want))))
		p.t.Broken(saidOther, p.name, describeMessage(m, want), describeWanted(m, want))
	}
	p.came(m, want, "")
	return m
}

// Await passes over messages until one comes that has all wanted fields, and
// returns it. It must come within Patience.
func (p *Peer) Await(want Fields) Message {
	p.t.Helper()
	for end := time.Now().Add(Patience); ; {
		m, _ := p.receive(want, time.Until(end))
		p.came(m, want, "")
		if len(m.misses(want)) == 0 {
			return m
		}
	}
}

// ExpectNothing expects that nothing comes for a while, and that the connection
// stays open. It has to wait for all of that while; where the protocol can
// answer a question, asking one and expecting its answer next is faster and
// surer.
func (p *Peer) ExpectNothing(d time.Duration) {
	p.t.Helper()
	frame, err := p.next(d)
	switch {
	case err == nil:
		m, _ := parse(frame)
		p.arrived(frame, label(frame, nil), markNothing)
		p.t.Broken(saidNotNothing, p.name, describeFrame(m, frame))
	case !errors.Is(err, os.ErrDeadlineExceeded):
		p.lost(err, markOpen)
		p.t.Broken(saidNotOpen, p.ended(err), p.name)
	case len(p.come) > 0:
		p.arrived(p.come, rawLabel(p.come), markNothing)
		p.t.Broken(saidNotNothing, p.name, rawLabel(p.come))
	}
	p.note(wire.Event{From: p.other, To: p.name, Kind: wire.Note, Text: fmt.Sprintf(labelSilence, seconds(d))})
}

// ExpectEOF expects that the next thing to come is the orderly end of what the
// other end sends (FIN).
func (p *Peer) ExpectEOF() {
	p.t.Helper()
	p.expectEnd(wordFIN, func(err error) bool { return errors.Is(err, io.EOF) })
}

// ExpectReset expects that the next thing to come is a reset (RST).
func (p *Peer) ExpectReset() {
	p.t.Helper()
	p.expectEnd(wordRST, isReset)
}

// ExpectClosed expects that the next thing to come is the end of the
// connection, orderly or not.
func (p *Peer) ExpectClosed() {
	p.t.Helper()
	p.expectEnd(wordEnd, func(err error) bool { return errors.Is(err, io.EOF) || isReset(err) })
}

// AwaitClosed passes over messages until the connection ends, orderly or not,
// which must happen within Patience.
func (p *Peer) AwaitClosed() {
	p.t.Helper()
	for end := time.Now().Add(Patience); ; {
		frame, err := p.next(time.Until(end))
		if err != nil {
			p.end(err, wordEnd, func(err error) bool { return errors.Is(err, io.EOF) || isReset(err) })
			return
		}
		p.arrived(frame, label(frame, nil), "")
	}
}

func (p *Peer) expectEnd(what string, is func(error) bool) {
	p.t.Helper()
	frame, err := p.next(Patience)
	if err == nil {
		m, _ := parse(frame)
		p.arrived(frame, label(frame, nil), fmt.Sprintf(markExpected, what))
		p.t.Broken(saidOther, p.name, describeFrame(m, frame), what)
	}
	p.end(err, what, is)
}

// end judges how reading ended.
func (p *Peer) end(err error, what string, is func(error) bool) {
	p.t.Helper()
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.waited(what, fmt.Sprintf(saidStaysOpen, p.other, p.name, seconds(Patience), what))
	case !is(err):
		p.lost(err, fmt.Sprintf(markExpected, what))
		p.t.Broken(saidOtherEnd, p.ended(err), p.name, what)
	case len(p.come) > 0:
		p.arrived(p.come, rawLabel(p.come), "")
		p.lost(err, markWhole)
		p.t.Broken(saidCutFrame, p.ended(err), p.name, rawLabel(p.come))
	default:
		p.lost(err, "")
	}
}

// receive is the next message; want says what for, if anything.
func (p *Peer) receive(want Fields, patience time.Duration) (Message, []byte) {
	p.t.Helper()
	frame, err := p.next(patience)
	what := wordMessage
	if want != nil {
		what = describeFields(want)
	}
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		p.waited(what, fmt.Sprintf(saidNothingCame, p.name, seconds(Patience), what))
	case errors.Is(err, errLongLine):
		p.t.Broken(saidLongLine, p.name)
	case errors.Is(err, net.ErrClosed):
		panic("labtest: " + p.name + " receives after its own Close")
	case err != nil:
		if len(p.come) > 0 {
			p.arrived(p.come, rawLabel(p.come), "")
		}
		p.lost(err, fmt.Sprintf(markExpected, what))
		p.t.Broken(saidEnded, p.ended(err), p.name, what)
	}
	m, err := parse(frame)
	if err != nil {
		p.arrived(frame, rawLabel(frame), fmt.Sprintf(markExpected, what))
		p.t.Broken(saidNotObject, p.name, rawLabel(frame), what)
	}
	return m, frame
}

// waited breaks the law because what was waited for did not come.
func (p *Peer) waited(what, said string) {
	p.t.Helper()
	if len(p.come) > 0 {
		p.arrived(p.come, rawLabel(p.come), markWhole)
		p.t.Broken(saidPart, p.name, seconds(Patience), what, rawLabel(p.come))
	}
	p.note(wire.Event{
		From: p.other, To: p.name, Kind: wire.Note,
		Text: fmt.Sprintf(labelSilence, seconds(Patience)), Mark: fmt.Sprintf(markExpected, what),
	})
	p.t.silence(said)
}

// silence breaks the law because nothing happened. Often that is a deadlock,
// and then who is in it says more than the silence.
func (t *T) silence(said string) {
	t.Helper()
	stuck := examine(dump(), "").Stuck()
	t.record(result.Fail, result.Failure{Kind: result.KindLaw, Seen: said, Detail: stuck.String(), Look: places(stuck)})
	t.stop()
}

// came records a message; mark says what was expected instead.
func (p *Peer) came(m Message, want Fields, mark string) {
	if _, other := m.misses(want)["type"]; other {
		want = nil // none of its fields were compared: it says what it is itself
	}
	p.arrived(m.raw, label(m.raw, want), mark)
}

func (p *Peer) arrived(b []byte, text, mark string) {
	p.note(wire.Event{From: p.other, To: p.name, Kind: wire.Receive, Text: text, Bytes: b, Mark: mark})
}

// lost records how reading ended.
func (p *Peer) lost(err error, mark string) {
	e := wire.Event{From: p.other, To: p.name, Mark: mark}
	switch {
	case errors.Is(err, io.EOF):
		e.Kind, e.Text = wire.FIN, labelFIN
	case isReset(err):
		e.Kind, e.Text = wire.RST, labelRST
	default:
		e.Kind, e.Text = wire.Note, cause(err).Error()
	}
	p.note(e)
}

// ended says who ended the connection and how, as the beginning of a sentence.
func (p *Peer) ended(err error) string {
	switch {
	case errors.Is(err, io.EOF):
		return fmt.Sprintf(saidClosed, p.other)
	case isReset(err):
		return fmt.Sprintf(saidReset, p.other)
	}
	return fmt.Sprintf(saidLost, cause(err))
}
