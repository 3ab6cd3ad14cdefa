package echo_test

import (
	"testing"

	echo "workbook.example/labs/01-echo"
	"workbook.example/tools/labtest"
)

func TestSumAdds(tt *testing.T) {
	t := labtest.Begin(tt)
	if got := echo.Sum(2, 3); got != 5 {
		t.Broken("Sum(2, 3) is %d; expected 5.", got)
	}
}

func TestSumOfNothing(tt *testing.T) {
	t := labtest.Begin(tt)
	if got := echo.Sum(0, 0); got != 0 {
		t.Broken("Sum(0, 0) is %d; expected 0.", got)
	}
}
