package fast_test

import "testing"

func BenchmarkWork(b *testing.B) {
	for b.Loop() {
	}
}

func BenchmarkCases(b *testing.B) {
	for _, name := range []string{"a/n=1", "b/n=2"} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
			}
		})
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
