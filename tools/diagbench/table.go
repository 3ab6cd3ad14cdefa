package diagbench

import (
	"fmt"
	"io"
	"text/tabwriter"

	"workbook.example/tools/bench"
)

// A Contest is diag and another program that do the same work.
type Contest struct {
	Work   string // what is measured, with its unit
	Ours   Rival
	Theirs Rival
}

// A Rival is a program and what it reached, a figure a round.
type Rival struct {
	Name    string
	Figures []float64
	Dropped []float64 // of a capture: the part of the frames, 0 to 1
	Missing error     // why it could not be measured
}

// Write prints contests as a table.
func Write(w io.Writer, contests []Contest, rounds int, machine string) error {
	fmt.Fprintf(w, "%d rounds, in turns; %s.\nMedian (lowest–highest).\n\n", rounds, machine)
	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(tw, "work\tdiag\tthe other one\t\tdiag ÷ other\tdropped: diag, other")
	for _, c := range contests {
		ratio := ""
		if len(c.Theirs.Figures) > 0 {
			ratio = spread(bench.Ratios(c.Ours.Figures, c.Theirs.Figures), "%.2f")
		}
		dropped := ""
		if len(c.Ours.Dropped) > 0 {
			dropped = percent(c.Ours.Dropped) + ", " + percent(c.Theirs.Dropped)
		}
		fmt.Fprintf(tw, "%s\t%s\t%s\t%s\t%s\t%s\n", c.Work, spread(c.Ours.Figures, "%.4g"), c.Theirs.Name, spread(c.Theirs.Figures, "%.4g"), ratio, dropped)
	}
	if err := tw.Flush(); err != nil {
		return err
	}
	for _, c := range contests {
		if c.Theirs.Missing != nil {
			fmt.Fprintf(w, "Not measured: %s: %v.\n", c.Theirs.Name, c.Theirs.Missing)
		}
	}
	return nil
}

func spread(figures []float64, format string) string {
	if len(figures) == 0 {
		return "–"
	}
	s := bench.SpreadOf(figures)
	return fmt.Sprintf(format+" ("+format+"–"+format+")", s.Median, s.Low, s.High)
}

// percent is the worst of all rounds.
func percent(parts []float64) string {
	if len(parts) == 0 {
		return "–"
	}
	return fmt.Sprintf("%.2g %%", bench.SpreadOf(parts).High*100)
}
