package fanload

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"workbook.example/tools/bench"
)

// Write prints the comparison as a table with everything that one has to
// know to judge it.
func (c *Comparison) Write(w io.Writer) error {
	fmt.Fprintf(w, "Fan-out: 1 sender, %d receivers, bodies of %d bytes, at most %d messages ahead of the slowest receiver.\n",
		c.Load.Receivers, c.Load.Body, c.Load.Window)
	fmt.Fprintf(w, "%d interleaved rounds, %s; %s.\nMedian (lowest–highest).\n\n", c.Rounds, c.Load.length(), c.Machine)

	tw := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(tw, "server\tdeliveries/s\tours ÷ theirs\tp50 / p99 ms")
	c.row(tw, c.Ours, "")
	for _, p := range c.Peers {
		r := c.Ratio(p)
		c.row(tw, p, fmt.Sprintf("%.2f (%.2f–%.2f)", r.Median, r.Low, r.High))
	}
	cost := c.Cost()
	c.row(tw, c.Stopped, fmt.Sprintf("costs the others %.0f %% (%.0f to %.0f)", 100*cost.Median, 100*cost.Low, 100*cost.High))
	r := c.Ratio(c.Ceiling)
	c.row(tw, c.Ceiling, fmt.Sprintf("%.2f (%.2f–%.2f)", r.Median, r.Low, r.High))
	if err := tw.Flush(); err != nil {
		return err
	}

	fmt.Fprintln(w, "\nIn every run each receiver got each message once and in order: delivered = sent × receivers.")
	fmt.Fprintf(w, "The %s copies bytes without looking at them: it shows what sockets and this load program allow.\n", c.Ceiling.Server.Name)
	for _, p := range c.Peers {
		if p.Server.Note != "" {
			fmt.Fprintf(w, "%s: %s.\n", p.Server.Name, p.Server.Note)
		}
	}
	for _, m := range c.Missing {
		fmt.Fprintf(w, "Not measured: %v.\n", m)
	}
	_, err := fmt.Fprintln(w, "Not compared: security, clustering, persistence and the many other things that the peers do and a lab's server does not.")
	return err
}

func (c *Comparison) row(w io.Writer, e Entry, ratio string) {
	rate := bench.SpreadOf(e.Rates())
	fmt.Fprintf(w, "%s\t%s\t%s\t%s / %s\n", e.Label,
		fmt.Sprintf("%.2f M (%.2f–%.2f)", rate.Median/1e6, rate.Low/1e6, rate.High/1e6), ratio,
		e.median(func(r Run) time.Duration { return r.P50 }), e.median(func(r Run) time.Duration { return r.P99 }))
}

func (e Entry) median(of func(Run) time.Duration) string {
	values := make([]float64, len(e.Runs))
	for i, r := range e.Runs {
		values[i] = float64(of(r)) / float64(time.Millisecond)
	}
	return fmt.Sprintf("%.1f", bench.SpreadOf(values).Median)
}

func (l Load) length() string {
	if l.Messages > 0 {
		return fmt.Sprintf("%d messages each", l.Messages)
	}
	return fmt.Sprintf("%v each after %v of warm-up", l.Duration, l.Warmup)
}
