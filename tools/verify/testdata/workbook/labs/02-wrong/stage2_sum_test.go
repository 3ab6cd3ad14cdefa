package wrong_test

import (
	"testing"

	"workbook.example/labs/02-wrong"
	"workbook.example/tools/labtest"
)

func TestSumIsOfAllNumbers(tt *testing.T) {
	t := labtest.Begin(tt)
	if got, err := wrong.Sum(1, 2, 3); err != nil || got != 6 {
		t.Broken("Sum(1, 2, 3) returned %d, %v.", got, err)
	}
}
