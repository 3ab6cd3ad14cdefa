package fast_test

import "testing"

func BenchmarkWork(b *testing.B) {
	for b.Loop() {
	}
}

func BenchmarkOnlyOne(b *testing.B) {
	for b.Loop() {
	}
}

func BenchmarkGivesUp(b *testing.B) {
	for b.Loop() {
	}
}
