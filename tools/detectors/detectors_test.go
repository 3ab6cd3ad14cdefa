package detectors_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/bench"
	"workbook.example/tools/detectors"
)

var update = flag.Bool("update", false, "write the golden files anew")

// rows are what a run gave, made up.
var rows = []bench.Row{
	{Benchmark: "Detection/timeout/calm/loss=0%", Unit: "p50-ms", Yours: []float64{900}},
	{Benchmark: "Detection/timeout/calm/loss=0%", Unit: "p99-ms", Yours: []float64{950, 960, 1000}},
	{Benchmark: "Detection/timeout/calm/loss=0%", Unit: "dead-p99-ms", Yours: []float64{2800}},
	{Benchmark: "Detection/timeout/calm/loss=0%", Unit: "mistakes/day", Yours: []float64{0}},
	{Benchmark: "Detection/timeout/calm/loss=20%", Unit: "p99-ms", Yours: []float64{955}},
	{Benchmark: "Detection/timeout/calm/loss=20%", Unit: "mistakes/day", Yours: []float64{0.4}},
	{Benchmark: "Detection/timeout/restless/loss=20%", Unit: "p99-ms", Yours: []float64{1100}},
	{Benchmark: "Detection/phi/calm/loss=0%", Unit: "p99-ms", Yours: []float64{190}},
	{Benchmark: "Detection/phi/calm/loss=20%", Unit: "p99-ms", Yours: []float64{530}},
	{Benchmark: "Detection/phi/calm/loss=20%", Unit: "mistakes/day", Yours: []float64{1467}},
	{Benchmark: "Detection/phi/calm/loss=20%", Unit: "sec/op", Yours: []float64{1}},
	{Benchmark: "Codec", Unit: "sec/op", Yours: []float64{1}},
}

func golden(t *testing.T, name string, got []byte) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if *update {
		require.NoError(t, os.WriteFile(file, got, 0o644))
	}
	want, err := os.ReadFile(file)
	require.NoError(t, err)
	require.Equal(t, string(want), string(got))
}

func TestTableAndPlot(t *testing.T) {
	all, err := detectors.FromRows(rows)
	require.NoError(t, err)
	require.Len(t, all, 5)
	require.Equal(t, detectors.Figures{Detector: "timeout", Network: "calm", P50: 900, P99: 960, DeadP99: 2800}, all[0])

	var table, plot bytes.Buffer
	require.NoError(t, detectors.WriteTable(&table, all))
	golden(t, "table.golden", table.Bytes())
	require.NoError(t, detectors.WritePlot(&plot, all, "calm"))
	golden(t, "plot.golden.svg", plot.Bytes())
	for dec := xml.NewDecoder(&plot); ; {
		_, err := dec.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
	}
}

func TestWrongRowsAreRefused(t *testing.T) {
	_, err := detectors.FromRows([]bench.Row{{Benchmark: "Codec"}})
	require.ErrorContains(t, err, "no benchmark Detection")
	_, err = detectors.FromRows([]bench.Row{{Benchmark: "Detection/phi/calm/lost"}})
	require.ErrorContains(t, err, "a loss was expected")
	require.ErrorContains(t, detectors.WritePlot(io.Discard, []detectors.Figures{{Network: "calm"}}, "stormy"), `"stormy"`)
}
