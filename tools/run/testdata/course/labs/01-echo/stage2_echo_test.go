package echo_test

import (
	"testing"

	"workbook.example/tools/labtest"
)

func TestLinesComeBack(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	srv := start(t)
	alice := t.Dial("alice", srv.Addr().String())
	alice.SendJSON(labtest.Fields{"text": "hello"})
	alice.Expect(labtest.Fields{"text": "hello"})
}

func TestLinesComeBackInOrder(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	srv := start(t)
	alice := t.Dial("alice", srv.Addr().String())
	alice.SendTogether(`{"text":"one"}`, `{"text":"two"}`)
	alice.Expect(labtest.Fields{"text": "one"})
	alice.Expect(labtest.Fields{"text": "two"})
}

func TestStopEndsServe(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	srv := start(t)
	t.Returns("Stop", srv.Stop)
	t.Returns("Serve after Stop", func() { <-srv.served })
}
