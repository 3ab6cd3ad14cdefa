package verify_test

import (
	"os"
	"testing"

	"workbook.example/tools/sandbox"
)

func TestMain(m *testing.M) {
	sandbox.Init() // the runner starts this program again, inside the sandbox
	os.Exit(m.Run())
}
