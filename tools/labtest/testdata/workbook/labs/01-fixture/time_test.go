package fixture_test

import (
	"testing"
	"time"

	fixture "workbook.example/labs/01-fixture"
	"workbook.example/tools/labtest"
)

func TestFakeTimeIsFast(tt *testing.T) {
	t := labtest.Begin(tt)
	var took time.Duration
	t.FakeTime(func() {
		began := time.Now()
		time.Sleep(time.Hour)
		took = time.Since(began)
	})
	if took != time.Hour {
		t.Broken("An hour took %v.", took)
	}
}

func TestFakeTimeStandsStill(tt *testing.T) {
	t := labtest.Begin(tt)
	t.FakeTime(new(fixture.Server).Receive)
}

func TestFakeTimeLeavesSomebodyBehind(tt *testing.T) {
	t := labtest.Begin(tt)
	t.NoLeaks()
	t.FakeTime(func() { go new(fixture.Server).Receive() })
}

func TestPacketsGetLost(tt *testing.T) {
	t := labtest.Begin(tt)
	n := t.PacketNet("net", labtest.Lose(0.3), labtest.Duplicate(0.3), labtest.Latency(time.Millisecond, 9*time.Millisecond))
	n.Draw(func(b []byte) string { return "beat " + string(b) })
	t.FakeTime(func() {
		defer n.Close()
		watch := n.Listen("watch")
		alice := n.Dial("alice", watch.AddrPort())
		for i := range 8 {
			switch i {
			case 4:
				n.Partition("alice")
			case 5:
				n.Heal()
				n.Cut("alice", "watch")
			case 6:
				n.Heal()
			}
			alice.Write([]byte{'1' + byte(i)})
			time.Sleep(100 * time.Millisecond)
		}
	})
	t.Broken("Of 8 datagrams %d arrived.", n.Counts().Arrived)
}
