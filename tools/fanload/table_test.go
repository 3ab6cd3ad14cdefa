package fanload_test

import (
	"bytes"
	"errors"
	"flag"
	"os"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"workbook.example/tools/fanload"
)

var update = flag.Bool("update", false, "write the golden files")

func TestTable(t *testing.T) {
	runs := func(deliveries ...int) []fanload.Run {
		var all []fanload.Run
		for i, d := range deliveries {
			all = append(all, fanload.Run{
				Measured: d, Elapsed: time.Second,
				P50: time.Duration(i+3) * time.Millisecond, P99: time.Duration(i+9) * time.Millisecond,
			})
		}
		return all
	}
	c := fanload.Comparison{
		Load:    fanload.Load{Receivers: 100, Body: 100, Window: 64, Warmup: time.Second / 4, Duration: 2 * time.Second},
		Rounds:  3,
		Machine: "2 cores shared by server and load, linux/amd64, go1.26.0",
		Ours:    fanload.Entry{Label: "chatd", Runs: runs(1_050_000, 860_000, 1_170_000)},
		Stopped: fanload.Entry{Label: "chatd, one reader more, stopped", Runs: runs(1_000_000, 870_000, 1_100_000)},
		Peers: []fanload.Entry{{
			Label:  "ngircd 26.1",
			Server: fanload.Server{Name: "ngircd", Note: "penalties off"},
			Runs:   runs(290_000, 280_000, 300_000),
		}},
		Ceiling: fanload.Entry{Label: "relay", Server: fanload.Server{Name: "relay"}, Runs: runs(1_500_000, 1_400_000, 1_600_000)},
		Missing: []error{errors.New("nats-server: not installed")},
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
