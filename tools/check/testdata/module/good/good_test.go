package good_test

import "testing"

func TestPasses(t *testing.T) {}

func TestHasParts(t *testing.T) {
	t.Run("one", func(t *testing.T) {})
	t.Run("two", func(t *testing.T) { t.Error("the second part is wrong") })
}

func TestCannotRunHere(t *testing.T) { t.Skip("needs a thing (apt-get install thing)") }
