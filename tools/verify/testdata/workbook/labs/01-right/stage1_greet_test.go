package right_test

import (
	"testing"

	"workbook.example/labs/01-right"
	"workbook.example/tools/labtest"
)

func TestGreetingNamesWhoIsGreeted(tt *testing.T) {
	t := labtest.Begin(tt)
	if got, err := right.Greet("Ada"); err != nil || got != "Hello, Ada" {
		t.Broken("Greet(\"Ada\") returned %q, %v.", got, err)
	}
}

func TestNobodyIsNotGreeted(tt *testing.T) {
	t := labtest.Begin(tt)
	if got, err := right.Greet(""); err == nil {
		t.Broken("Greet(\"\") returned %q and no error.", got)
	}
	if _, err := right.Greet("Ada"); err != nil {
		t.Broken("Greet(\"Ada\") returned the error %v.", err)
	}
}

func BenchmarkGreet(b *testing.B) {
	for b.Loop() {
		if _, err := right.Greet("Ada"); err != nil {
			b.Fatal(err)
		}
	}
}
