package broken_test

import "testing"

func TestDoesNotCompile(t *testing.T) { undefined() }
