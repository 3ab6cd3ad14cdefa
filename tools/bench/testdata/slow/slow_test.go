package slow_test

import "testing"

var kept []byte

func BenchmarkWork(b *testing.B) {
	for b.Loop() {
		kept = make([]byte, 1<<14)
		for i := range kept {
			kept[i] = byte(i)
		}
	}
}

func BenchmarkOnlyOne(b *testing.B) { b.Fatal("not implemented yet") }

func BenchmarkGivesUp(b *testing.B) {
	b.ReportAllocs()
	b.Skip("not implemented yet")
}
