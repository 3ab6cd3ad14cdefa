package detectors

import (
	"fmt"
	"io"
)

// WriteTable writes the figures as a table in Markdown.
func WriteTable(w io.Writer, all []Figures) error {
	_, err := fmt.Fprint(w, "| detector | network | loss | suspected after, ms: p50 / p99 | dead after, ms: p99 | mistakes a day | wrong deaths a day |\n"+
		"| --- | --- | --- | --- | --- | --- | --- |\n")
	for _, f := range all {
		if err == nil {
			_, err = fmt.Fprintf(w, "| %s | %s | %g %% | %.0f / %.0f | %.0f | %s | %s |\n",
				f.Detector, f.Network, f.Loss, f.P50, f.P99, f.DeadP99, often(f.Mistakes), often(f.Deaths))
		}
	}
	return err
}

// often is a number of times a day.
func often(n float64) string {
	if n < 10 && n != float64(int(n)) {
		return fmt.Sprintf("%.1f", n)
	}
	return fmt.Sprintf("%.0f", n)
}
