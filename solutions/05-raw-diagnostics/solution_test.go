package rawdiag_test

import (
	"os"
	"testing"

	"workbook.example/tools/sandbox"
	"workbook.example/tools/verify"
)

func TestMain(m *testing.M) {
	sandbox.Init() // the runner starts this program again, inside the sandbox
	os.Exit(m.Run())
}

func TestSolution(t *testing.T) { verify.Solution(t) }
