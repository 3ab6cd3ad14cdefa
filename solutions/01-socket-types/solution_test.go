package sockettypes_test

import (
	"fmt"
	"os"
	"testing"

	"workbook.example/tools/sandbox"
	"workbook.example/tools/verify"
)

// buildDir is where tests build the lab's program.
var buildDir string

func TestMain(m *testing.M) {
	sandbox.Init() // the runner starts this program again, inside the sandbox
	os.Exit(withBuildDir(m.Run))
}

func withBuildDir(tests func() int) int {
	var err error
	if buildDir, err = os.MkdirTemp("", "sockets"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer os.RemoveAll(buildDir)
	return tests()
}

func TestSolution(t *testing.T) { verify.Solution(t) }
