package diagbench_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/diagbench"
)

func TestTableSaysWhatWasMeasured(t *testing.T) {
	var got strings.Builder
	require.NoError(t, diagbench.Write(&got, []diagbench.Contest{
		{Work: "ping, round trips/s", Ours: diagbench.Rival{Figures: []float64{90, 100, 120}}, Theirs: diagbench.Rival{Name: "ping -f", Figures: []float64{100, 100, 100}}},
		{Work: "capture, frames/s", Ours: diagbench.Rival{Figures: []float64{10, 20, 30}, Dropped: []float64{0, 0, 0.015}}, Theirs: diagbench.Rival{Name: "tcpdump -w", Figures: []float64{20, 10, 30}, Dropped: []float64{0, 0, 0}}},
		{Work: "trace, ms", Ours: diagbench.Rival{Figures: []float64{5, 6, 7}}, Theirs: diagbench.Rival{Name: "traceroute -n", Missing: errors.New("traceroute is not installed")}},
	}, 3, "2 cores shared by all"))
	want, err := os.ReadFile(filepath.Join("testdata", "table.golden"))
	require.NoError(t, err)
	require.Equal(t, string(want), got.String())
}
