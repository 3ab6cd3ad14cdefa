package rawdiag_test

import (
	"testing"

	"workbook.example/tools/netlab"
	"workbook.example/tools/verify"
)

// Some tests make networks, so all run in a namespace of their own. Main also calls
// sandbox.Init: the runner starts this program again, inside the sandbox.
func TestMain(m *testing.M) { netlab.Main(m) }

func TestSolution(t *testing.T) { verify.Solution(t) }
