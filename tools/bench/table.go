package bench

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"golang.org/x/perf/benchunit"
)

// Write prints the comparison as one table.
func (c *Comparison) Write(w io.Writer) error {
	if len(c.Rows) == 0 {
		fmt.Fprintln(w, "No benchmark gave a result.")
	} else {
		fmt.Fprintf(w, "%d rounds of %v a benchmark, in turns. Median (lowest–highest).\n\n", c.Rounds, c.Time)
	}
	rows := slices.Clone(c.Rows)
	slices.SortStableFunc(rows, func(a, b Row) int { return strings.Compare(a.Benchmark, b.Benchmark) })

	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	if len(rows) > 0 {
		fmt.Fprintf(tw, "benchmark\t\t%s\t%s\t%s ÷ %s\n", c.Yours.Name, c.Theirs.Name, c.Yours.Name, c.Theirs.Name)
	}
	for i, r := range rows {
		name := r.Benchmark
		if i > 0 && rows[i-1].Benchmark == name {
			name = ""
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\n", name, r.unit().name, r.spread(r.Yours), r.spread(r.Theirs), r.ratio())
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, side := range []Side{c.Yours, c.Theirs} {
		if said := c.Said[side.Name]; said != "" {
			fmt.Fprintf(w, "\nA benchmark of %s gave no result. It said:\n", side.Name)
			for line := range strings.Lines(said) {
				fmt.Fprintf(w, "    %s\n", strings.TrimRight(line, "\n"))
			}
		}
	}
	return nil
}

func (r Row) spread(values []float64) string {
	if len(values) == 0 {
		return "no result"
	}
	s := SpreadOf(values)
	scale := benchunit.CommonScale([]float64{s.Median, s.Low, s.High}, benchunit.ClassOf(r.Unit))
	format := func(v float64) string { return scale.Format(v) + r.unit().suffix }
	if s.Low == s.High {
		return format(s.Median)
	}
	return fmt.Sprintf("%s (%s–%s)", format(s.Median), format(s.Low), format(s.High))
}

type unit struct{ name, suffix string }

// units has better words than the benchmark format, where there are any.
var units = map[string]unit{
	"sec/op":    {"time", "s"},
	"B/op":      {"memory", "B"},
	"allocs/op": {"allocations", ""},
	"B/s":       {"throughput", "B/s"},
}

func (r Row) unit() unit {
	if u, ok := units[r.Unit]; ok {
		return u
	}
	return unit{name: r.Unit}
}

func (r Row) ratio() string {
	if len(r.Yours) == 0 || len(r.Theirs) == 0 {
		return ""
	}
	s := SpreadOf(Ratios(r.Yours, r.Theirs))
	switch {
	case slices.Max(r.Theirs) == 0 && slices.Max(r.Yours) == 0:
		return "same"
	case slices.Min(r.Theirs) == 0:
		return "" // nothing can be divided by zero allocations
	case s.Low == s.High:
		return fmt.Sprintf("%.2f", s.Median)
	}
	return fmt.Sprintf("%.2f (%.2f–%.2f)", s.Median, s.Low, s.High)
}
