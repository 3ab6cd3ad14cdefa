package echo_test

import (
	"testing"

	"workbook.example/tools/labtest"
)

func TestServedCountsClients(tt *testing.T) {
	t := labtest.Begin(tt)
	t.Needs(1)
	t.NoLeaks()
	srv := start(t)
	alice := t.Dial("alice", srv.Addr().String())
	alice.SendJSON(labtest.Fields{"text": "hello"})
	alice.Expect(labtest.Fields{"text": "hello"})
	alice.CloseWrite()
	alice.ExpectEOF()
	if got := srv.Served(); got != 1 {
		t.Broken("Served is %d after one client; expected 1.", got)
	}
}
