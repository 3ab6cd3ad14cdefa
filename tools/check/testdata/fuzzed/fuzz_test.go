package fuzzed_test

import "testing"

func FuzzHolds(f *testing.F) {
	f.Fuzz(func(t *testing.T, b []byte) {})
}

func FuzzFails(f *testing.F) {
	f.Add([]byte("abc"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if len(b) != 3 {
			t.Fatal("not three bytes")
		}
	})
}
