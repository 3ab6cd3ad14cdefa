package bench_test

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/bench"
)

var update = flag.Bool("update", false, "write the golden files")

func TestSpread(t *testing.T) {
	require.Equal(t, bench.Spread{Median: 2, Low: 1, High: 9, N: 3}, bench.SpreadOf([]float64{9, 1, 2}))
	require.Equal(t, bench.Spread{Median: 3, Low: 1, High: 9, N: 4}, bench.SpreadOf([]float64{9, 1, 2, 4}))
	require.Zero(t, bench.SpreadOf(nil))
}

func TestRatiosArePairwise(t *testing.T) {
	require.Equal(t, []float64{2, 0.5}, bench.Ratios([]float64{4, 1, 7}, []float64{2, 2}))
}

// binary builds the benchmarks in testdata/NAME.
func binary(t *testing.T, name string) string {
	out := filepath.Join(t.TempDir(), name+".test")
	cmd := exec.Command("go", "test", "-c", "-o", out, ".")
	cmd.Dir = filepath.Join("testdata", name)
	cmd.Env = append(os.Environ(), "GOWORK=off")
	said, err := cmd.CombinedOutput()
	require.NoError(t, err, string(said))
	return out
}

func TestCompareRunsBothInTurns(t *testing.T) {
	yours := bench.Side{Name: "yours", Binary: binary(t, "slow")}
	theirs := bench.Side{Name: "solution", Binary: binary(t, "fast")}
	var order []string
	c, err := bench.Compare(t.Context(), yours, theirs, bench.Options{
		Rounds: 2, Time: time.Millisecond,
		Progress: func(_, _ int, side string) { order = append(order, side) },
	})
	require.NoError(t, err)
	require.Equal(t, []string{"yours", "solution", "solution", "yours"}, order)
	rows := map[string]bench.Row{}
	for _, r := range c.Rows {
		rows[r.Benchmark+" "+r.Unit] = r
	}
	work := rows["Work sec/op"]
	require.Len(t, work.Yours, 2)
	require.Greater(t, work.Yours[0], work.Theirs[0])
	require.Equal(t, []float64{1, 1}, rows["Work allocs/op"].Yours)
	require.Equal(t, []float64{0, 0}, rows["Work allocs/op"].Theirs)
	require.Empty(t, rows["OnlyOne sec/op"].Yours, "it fails there")
	require.Empty(t, rows["GivesUp sec/op"].Yours, "it skips there")
	require.Len(t, rows["OnlyOne sec/op"].Theirs, 2)
	require.Contains(t, c.Said["yours"], "not implemented yet")
	require.Len(t, rows["Cases/a/n=1 sec/op"].Theirs, 2)
	require.Len(t, rows["Cases/b/n=2 sec/op"].Theirs, 2)
}

func TestMeasureRunsOneAlone(t *testing.T) {
	rows, err := bench.Measure(t.Context(), bench.Side{Name: "fast", Binary: binary(t, "fast")}, bench.Options{
		Match: "Cases", Rounds: 3, Time: time.Millisecond,
	})
	require.NoError(t, err)
	for _, r := range rows {
		require.Contains(t, r.Benchmark, "Cases/")
		require.Len(t, r.Yours, 3)
		require.Empty(t, r.Theirs)
	}
	require.NotEmpty(t, rows)

	_, err = bench.Measure(t.Context(), bench.Side{Name: "slow", Binary: binary(t, "slow")}, bench.Options{Match: "OnlyOne", Rounds: 1})
	require.ErrorContains(t, err, "benchmarks of slow")
}

func TestTable(t *testing.T) {
	c := bench.Comparison{
		Yours: bench.Side{Name: "yours"}, Theirs: bench.Side{Name: "solution"},
		Rounds: 3, Time: 200 * time.Millisecond,
		Rows: []bench.Row{
			{Benchmark: "FanOut", Unit: "sec/op", Yours: []float64{24e-6, 22e-6, 30e-6}, Theirs: []float64{12e-6, 11e-6, 12e-6}},
			{Benchmark: "Decoder", Unit: "sec/op", Yours: []float64{210e-9, 200e-9, 220e-9}, Theirs: []float64{210e-9, 210e-9, 200e-9}},
			{Benchmark: "FanOut", Unit: "B/op", Yours: []float64{2048, 2048, 2048}, Theirs: []float64{1024, 1024, 1024}},
			{Benchmark: "Decoder", Unit: "allocs/op", Yours: []float64{0, 0, 0}, Theirs: []float64{0, 0, 0}},
			{Benchmark: "ParseRequest", Unit: "sec/op", Theirs: []float64{1e-6, 1e-6, 1e-6}},
			{Benchmark: "ParseRequest", Unit: "allocs/op", Yours: nil, Theirs: []float64{4, 4, 4}},
		},
		Said: map[string]string{"yours": "--- FAIL: BenchmarkParseRequest\n    ParseRequest: not implemented yet\n"},
	}
	var got bytes.Buffer
	require.NoError(t, c.Write(&got))
	if *update {
		require.NoError(t, os.WriteFile("testdata/table.golden", got.Bytes(), 0o644))
	}
	want, err := os.ReadFile("testdata/table.golden")
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}
