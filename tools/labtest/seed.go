package labtest

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"

	"workbook.example/tools/result"
)

// seed is what everything random in this process comes from: WORKBOOK_SEED, or
// a fresh one that is short enough to be typed.
var seed = sync.OnceValue(func() uint64 {
	given := os.Getenv(result.EnvSeed)
	if given == "" {
		return rand.Uint64N(1_000_000)
	}
	s, err := strconv.ParseUint(given, 10, 64)
	if err != nil {
		fmt.Fprintf(os.Stderr, badSeed, result.EnvSeed, given)
		os.Exit(2)
	}
	return s
})

// hash tells the random sources of different tests and purposes apart.
func hash(parts ...string) uint64 {
	h := fnv.New64a()
	for _, p := range parts {
		fmt.Fprintf(h, "%d:%s", len(p), p)
	}
	return h.Sum64()
}
