package report

import (
	"fmt"
	"io"
	"strings"

	"workbook.example/tools/course"
	"workbook.example/tools/result"
)

// Hint writes one of the hints of a stage, counted from 1, and how to get the
// next.
func Hint(w io.Writer, style Style, lab *course.Lab, stage *course.Stage, hints []string, number int) error {
	p := &page{style: style}
	left := fmt.Sprintf("Lab %d · stage %s", lab.Number, stage.Heading())
	if len(hints) == 0 {
		p.head(left, noHints)
	} else {
		p.head(left, fmt.Sprintf(hintOf, number, len(hints)))
		p.gap()
		for line := range strings.SplitSeq(hints[number-1], "\n") {
			p.line(1, line)
		}
	}
	p.gap()
	p.labelled(1, result.Line{Label: "read", Text: lab.Read(stage)})
	if number < len(hints) {
		p.labelled(1, result.Line{Label: "more", Text: fmt.Sprintf("make hint %d STAGE=%d HINT=%d", lab.Number, stage.ID, number+1)})
	}
	_, err := w.Write(p.out.Bytes())
	return err
}
