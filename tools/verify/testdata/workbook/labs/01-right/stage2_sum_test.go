package right_test

import (
	"os"
	"testing"

	"workbook.example/labs/01-right"
	"workbook.example/tools/labtest"
)

func TestSumIsOfAllNumbers(tt *testing.T) {
	t := labtest.Begin(tt)
	if os.Getenv("VERIFY_NOT_HERE") != "" {
		t.NotRun("This machine cannot add.", "buy an abacus")
	}
	if got, err := right.Sum(1, 2, 3); err != nil || got != 6 {
		t.Broken("Sum(1, 2, 3) returned %d, %v.", got, err)
	}
}
