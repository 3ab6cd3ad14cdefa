package fixture_test

import (
	"fmt"
	"os"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	fixture "workbook.example/labs/01-fixture"
	"workbook.example/tools/labtest"
)

func TestPasses(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	t.Needs(4)
	alice := t.Dial("alice", start(t, fixture.Answer(welcome, hello)))
	alice.Send(`{"type":"login"}`)
	m := alice.Expect(msg{"type": "login_response", "success": true, "user_id": labtest.NonEmpty})
	require.Equal(t, "u1", m.String("user_id"))
	alice.Send(`{"type":"?"}`)
	m = alice.Await(msg{"seq": 7.0})
	require.Equal(t, 1700000000.25, m.Number("timestamp"))
	alice.CloseWrite()
	alice.ExpectEOF()
	t.Returns("nothing", func() {})
	t.Eventually("nothing", func() bool { return true })
}

func TestBrokenSaysWhatWasSeen(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Broken("Two connections logged in as %q and both were welcomed.", "bob")
}

func TestTestify(tt *testing.T) {
	t := labtest.Begin(tt)
	require.Equal(t, "login", "logout", "the type of request %d", 3)
}

func TestSeveralErrors(tt *testing.T) {
	t := labtest.Begin(tt)
	for i := range 9 {
		t.Errorf("Reply %d was empty.", i+1)
	}
}

func TestErrorFromAnotherGoroutine(tt *testing.T) {
	t := labtest.Begin(tt)
	done := make(chan struct{})
	go func() {
		defer close(done)
		t.Fatal("The second sender saw a broken frame.")
	}()
	<-done
}

func TestSubtestFails(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Run("inner", func(t *testing.T) { t.Fail() })
}

func TestReturnsAndItLocksTwice(tt *testing.T) {
	t := labtest.Begin(tt)
	s := new(fixture.Server)
	go s.Receive()
	t.Returns("Shutdown", s.Shutdown)
}

func TestReturnsAndNobodySends(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Returns("Receive", new(fixture.Server).Receive)
}

func TestReturnsAndItComputes(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Returns("Spin", new(fixture.Server).Spin)
}

func TestReturnsAndItPanics(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Returns("Third", func() { new(fixture.Server).Third([]byte("ab")) })
}

func TestReturnsAndItExitsTheGoroutine(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Returns("Goexit", runtime.Goexit)
}

func TestReturnsAndTheLawBreaksInside(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Returns("the check", func() { require.True(t, false, "the answer was empty") })
	t.Errorf("This line is never reached.")
}

func TestEventuallyAndItDoesNot(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Eventually("The removal of the name", func() bool { return false })
}

func TestGoroutineIsLeft(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	new(fixture.Server).Leak()
}

func TestListenerIsLeft(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	if _, err := new(fixture.Server).Forget(); err != nil {
		t.Fatal(err)
	}
	runtime.Gosched()
}

func TestForeignGoroutineIsLeft(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	go func() { select {} }()
}

func TestNeedsAStageThatFails(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(4, 1)
}

func TestNeedsAStageThatHangs(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(2)
}

func TestNeedsAStageThatPanics(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(3)
}

func TestCannotRunHere(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NotRun("This machine has no second network.", "make second-network")
}

func TestSkips(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Skip("no", "reason")
}

func TestRandomIsReplayed(tt *testing.T) {
	t := labtest.Begin(tt)
	a, b := t.Rand().IntN(1000), t.Rand().IntN(1000)
	t.Broken("The numbers were %d and %d.", a, b)
}

func TestNeverEnds(tt *testing.T) {
	t := labtest.Begin(tt)
	_ = t
	new(fixture.Server).Receive()
}

func TestPanics(tt *testing.T) {
	labtest.Begin(tt)
	new(fixture.Server).Third(nil)
}

// late is closed when TestLateVerdict is over.
var late = make(chan struct{})

func TestLateVerdict(tt *testing.T) {
	t := labtest.Begin(tt)
	new(fixture.Server).Later(late, func() { t.Errorf("too late"); t.FailNow() })
}

func TestAfterTheLateVerdict(tt *testing.T) {
	labtest.Begin(tt)
	close(late)
	time.Sleep(20 * time.Millisecond) // for the goroutine to do its worst; there is nothing to wait for
}

func TestEnvironmentIsClean(tt *testing.T) {
	t := labtest.Begin(tt)
	require.Empty(t, os.Getenv("WORKBOOK_EVENTS"))
}

func TestGoroutineFailsAndTheTestWaits(tt *testing.T) {
	t := labtest.Begin(tt)
	done := make(chan struct{})
	go func() {
		t.Fatal("The receiver saw a broken frame.")
		close(done) // never reached
	}()
	<-done
}

func TestSaysTooMuch(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Broken("It said %s.%s", strings.Repeat("\x1b[31mred ", 1000), strings.Repeat("\nAnd again.", 100))
}

func TestTheServerComplained(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Logged(func() []string {
		var lines []string
		for i := range 10 {
			lines = append(lines, fmt.Sprintf("level=WARN msg=\"complaint %d\"\n", i))
		}
		return append(lines, "level=ERROR msg=panic stack="+strings.Repeat("goroutine ", 100))
	})
	t.Broken("The server closed the connection.")
}
