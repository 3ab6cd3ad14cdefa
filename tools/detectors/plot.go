package detectors

import (
	"bytes"
	"fmt"
	"io"
	"math"
)

// Sizes of the picture, in pixels.
const (
	width, height = 860, 400
	panelWidth    = 300
	panelHeight   = 250
	panelTop      = 70
	firstPanel    = 70
	secondPanel   = 450
)

// colours of the detectors, in their order; they can be told apart without
// seeing colours by their dashes.
var (
	colours = []string{"#0b5cad", "#b3261e", "#2e7d32", "#7b1fa2", "#9a6700"}
	dashes  = []string{"", "6 3", "2 3", "9 3 2 3", "1 2"}
)

// WritePlot draws the figures of one network as an SVG picture: on the left how
// soon crashes are found, on the right how often that was wrong, both against
// the loss.
func WritePlot(w io.Writer, all []Figures, network string) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" font-family="sans-serif" font-size="12">`+"\n", width, height)
	fmt.Fprintf(&b, `<title>Failure detectors: time to find a crash and mistakes a day, against loss</title>`+"\n")
	fmt.Fprintf(&b, `<rect width="%d" height="%d" fill="white"/>`+"\n", width, height)

	shown := make([]Figures, 0, len(all))
	for _, f := range all {
		if f.Network == network {
			shown = append(shown, f)
		}
	}
	if len(shown) == 0 {
		return fmt.Errorf("there are no figures of the network %q", network)
	}
	maxLoss, maxTime, maxOften := 1.0, 1.0, 10.0
	for _, f := range shown {
		maxLoss, maxTime, maxOften = max(maxLoss, f.Loss), max(maxTime, f.P99), max(maxOften, f.Mistakes)
	}
	maxTime = 500 * math.Ceil(maxTime/500)
	decades := math.Ceil(math.Log10(maxOften))

	times := panel{b: &b, left: firstPanel, title: "crash suspected, ms (99 of 100)", maxLoss: maxLoss,
		place: func(v float64) float64 { return v / maxTime }}
	times.frame()
	for v := 0.0; v <= maxTime; v += 500 {
		times.line(v, fmt.Sprintf("%.0f", v))
	}
	mistakes := panel{b: &b, left: secondPanel, title: "mistakes a day", maxLoss: maxLoss,
		place: func(v float64) float64 { // one step for none, and then a step for each power of ten from 1 on
			if v < 1 {
				return 0
			}
			return (1 + math.Log10(v)) / (1 + decades)
		}}
	mistakes.frame()
	mistakes.line(0, "0")
	for d := 0.0; d <= decades; d++ {
		mistakes.line(math.Pow(10, d), fmt.Sprintf("%.0f", math.Pow(10, d)))
	}
	for i, detector := range names(shown, func(f Figures) string { return f.Detector }) {
		var found, wrong []point
		for _, f := range shown {
			if f.Detector == detector {
				found = append(found, point{f.Loss, f.P99})
				wrong = append(wrong, point{f.Loss, f.Mistakes})
			}
		}
		times.draw(found, i)
		mistakes.draw(wrong, i)
		x := firstPanel + 130*i
		fmt.Fprintf(&b, `<path d="M%d 22h30" stroke="%s" stroke-dasharray="%s" stroke-width="2"/><text x="%d" y="26">%s</text>`+"\n",
			x, colours[i%len(colours)], dashes[i%len(dashes)], x+36, detector)
	}
	fmt.Fprintln(&b, "</svg>")
	_, err := w.Write(b.Bytes())
	return err
}

// A point is a value at a loss.
type point struct{ loss, value float64 }

// A panel is a coordinate system: the loss to the right, a value upwards.
type panel struct {
	b       *bytes.Buffer
	left    int
	title   string
	maxLoss float64
	place   func(value float64) float64 // 0 to 1
}

func (p panel) x(loss float64) float64 { return float64(p.left) + loss/p.maxLoss*panelWidth }
func (p panel) y(value float64) float64 {
	return panelTop + panelHeight*(1-p.place(value))
}

// frame draws the title and the axis of the losses.
func (p panel) frame() {
	fmt.Fprintf(p.b, `<text x="%d" y="%d" font-weight="bold">%s</text>`+"\n", p.left, panelTop-16, p.title)
	for loss := 0.0; loss <= p.maxLoss; loss += 10 {
		fmt.Fprintf(p.b, `<text x="%.1f" y="%d" text-anchor="middle">%.0f %%</text>`+"\n", p.x(loss), panelTop+panelHeight+20, loss)
	}
	fmt.Fprintf(p.b, `<text x="%d" y="%d" text-anchor="middle">datagrams lost</text>`+"\n", p.left+panelWidth/2, panelTop+panelHeight+42)
}

// line draws a line across, at a value.
func (p panel) line(value float64, label string) {
	fmt.Fprintf(p.b, `<path d="M%d %.1fh%d" stroke="#ddd"/><text x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n",
		p.left, p.y(value), panelWidth, p.left-6, p.y(value)+4, label)
}

// draw draws the line of the detector with a number.
func (p panel) draw(points []point, number int) {
	colour := colours[number%len(colours)]
	fmt.Fprintf(p.b, `<polyline fill="none" stroke="%s" stroke-width="2" stroke-dasharray="%s" points="`, colour, dashes[number%len(dashes)])
	for _, at := range points {
		fmt.Fprintf(p.b, "%.1f,%.1f ", p.x(at.loss), p.y(at.value))
	}
	fmt.Fprintln(p.b, `"/>`)
	for _, at := range points {
		fmt.Fprintf(p.b, `<circle cx="%.1f" cy="%.1f" r="3" fill="%s"/>`, p.x(at.loss), p.y(at.value), colour)
	}
	fmt.Fprintln(p.b)
}
