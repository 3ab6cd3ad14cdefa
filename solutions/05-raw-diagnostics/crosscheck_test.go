package rawdiag_test

import (
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/result"
)

// The other tests of this folder hold the solution against programs that others
// wrote, and this file has what they share.

// other looks for a program of somebody else, which belongs to a Debian package.
func other(t *testing.T, name, pkg string) string {
	t.Helper()
	exe, err := exec.LookPath(name)
	if err != nil {
		t.Skipf("%s is not installed (apt-get install %s)", name, pkg)
	}
	return exe
}

// output is what a program prints on its standard output. Its dates are in UTC, its
// language is English.
func output(t *testing.T, exe string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	var said strings.Builder
	cmd.Stderr = &said
	out, err := cmd.Output()
	require.NoError(t, err, "%s %s\n%s%s", exe, strings.Join(args, " "), out, &said)
	return string(out)
}

// random is where a test's random numbers come from. A test that fails says how it is
// played again.
func random(t *testing.T) *rand.Rand {
	t.Helper()
	seed := rand.Uint64N(1_000_000)
	if given := os.Getenv(result.EnvSeed); given != "" {
		var err error
		seed, err = strconv.ParseUint(given, 10, 64)
		require.NoError(t, err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("again: %s=%d go test -run '^%s$' .", result.EnvSeed, seed, t.Name())
		}
	})
	return rand.New(rand.NewPCG(seed, 0))
}
