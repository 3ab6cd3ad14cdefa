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
