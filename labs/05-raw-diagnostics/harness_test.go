package rawdiag_test

import (
	"testing"

	"workbook.example/tools/netlab"
)

// This file has what the stages' tests share.

// Raw sockets and captures need a namespace of their own: it is also where the
// tests' networks are made.
func TestMain(m *testing.M) { netlab.Main(m) }
