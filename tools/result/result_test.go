package result_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/result"
)

func TestWorstIsNeverBetterThanAPart(t *testing.T) {
	require.Equal(t, result.Pass, result.Worst(result.Pass, result.Pass))
	require.Equal(t, result.NotRun, result.Worst(result.Pass, result.NotRun))
	require.Equal(t, result.Fail, result.Worst(result.NotRun, result.Fail, result.Pass))
	require.Equal(t, result.Error, result.Worst(result.Error, result.Fail))
	require.Equal(t, result.Fault, result.Worst(result.Error, result.Fault))
}

func TestNothingIsNotAPass(t *testing.T) {
	require.Equal(t, result.Fault, result.Worst())
	require.Equal(t, result.Fault, result.Judge(nil))
}

func TestAStageEarnsAllOrNothing(t *testing.T) {
	stages := []result.Stage{
		{Points: 10, Verdict: result.Pass},
		{Points: 20, Verdict: result.Fail},
		{Points: 5, Verdict: result.Pass, Extension: true},
		{Points: 7, Verdict: result.NotRun, Extension: true},
	}
	require.Equal(t, result.Points{Core: 10, CoreMax: 30, Extra: 5, ExtraMax: 12}, result.Tally(stages))
}

func TestBlockedIsAStageThatOnlyWaits(t *testing.T) {
	gate := result.Test{Verdict: result.Fail, Failure: &result.Failure{Kind: result.KindGate}}
	law := result.Test{Verdict: result.Fail, Failure: &result.Failure{Kind: result.KindLaw}}
	pass := result.Test{Verdict: result.Pass}
	require.True(t, result.Stage{Tests: []result.Test{gate, pass, gate}}.Blocked())
	require.False(t, result.Stage{Tests: []result.Test{gate, law}}.Blocked())
	require.False(t, result.Stage{Tests: []result.Test{pass}}.Blocked())
}

func TestAFailureIsReadInOneOrder(t *testing.T) {
	f := result.Failure{
		Kind: result.KindLaw, Seen: "It was two.", Law: "It is one.", Why: "Two is too many.",
		Ladder: "alice ──▶\n  ◀── bob\n", Detail: "quoted", Look: []string{"a.go:1", "b.go:2"},
		Read: "README.md", Hint: "make hint 2", Again: "make test-lab 2", Seed: "7",
	}
	require.Equal(t, `It was two.
It is one.
Two is too many.

    alice ──▶
      ◀── bob

    quoted

look at   a.go:1
          b.go:2
read      README.md
hint      make hint 2
again     make test-lab 2
seed      7
`, f.Text())
	require.Equal(t, "Alone.\n", result.Failure{Seen: "Alone."}.Text())
}

func TestEventsSurviveTheirProcess(t *testing.T) {
	var file bytes.Buffer
	events := []result.Event{
		{Event: result.Begin, Test: "TestA"},
		{Event: result.End, Test: "TestA", Verdict: result.Fail, Failure: &result.Failure{Kind: result.KindLaw, Seen: "a\nb"}, Seconds: 0.5},
	}
	for _, e := range events {
		require.NoError(t, result.WriteEvent(&file, e))
	}
	// The process was killed while it wrote the next one.
	file.WriteString(`{"event":"begin","te`)
	got, err := result.ReadEvents(&file)
	require.NoError(t, err)
	require.Equal(t, events, got)

	_, err = result.ReadEvents(strings.NewReader("not an event\n"))
	require.ErrorContains(t, err, "event 1")
}
