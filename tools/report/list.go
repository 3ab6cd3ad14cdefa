package report

import (
	"fmt"
	"io"

	"workbook.example/tools/course"
)

// List writes what there is to learn.
func List(w io.Writer, style Style, c *course.Course) error {
	p := &page{style: style}
	for _, lab := range c.Labs {
		p.gap()
		core, extra := 0, 0
		for _, s := range lab.Stages {
			if s.Extension {
				extra += s.Points
			} else {
				core += s.Points
			}
		}
		worth := plural(core, "point")
		if extra > 0 {
			worth += fmt.Sprintf(" + %d extra", extra)
		}
		p.head(fmt.Sprintf("Lab %d · %s", lab.Number, lab.Title), worth)
		p.line(1, p.style.paint(faint, lab.Path()))
		for _, s := range lab.Stages {
			kind := "core"
			if s.Extension {
				kind = "extension"
			}
			p.line(1, fmt.Sprintf("%2d  %-34s %-10s %3d points  about %s", s.ID, s.Title, kind, s.Points, plural(s.Minutes, "minute")))
		}
	}
	_, err := w.Write(p.out.Bytes())
	return err
}
