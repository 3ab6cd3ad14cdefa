// Command detectors measures the failure detectors of lab 4 in a simulation, and
// prints what they did as a table.
//
//	detectors                the solution's, a simulated day each
//	detectors -learner       those in the lab's folder
//	detectors -days 10       more days: rare mistakes need them
//	detectors -docs          write the table into docs/measurements.md, and the picture
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strconv"
	"time"

	"workbook.example/tools/bench"
	"workbook.example/tools/course"
	"workbook.example/tools/detectors"
	"workbook.example/tools/run"
	"workbook.example/tools/sandbox"
	"workbook.example/tools/sources"
)

// Where table and picture are, from the top of the workbook, and what stands
// around the table.
const (
	page    = "docs/measurements.md"
	picture = "docs/chapters/failure-detectors.svg"
	begin   = "<!-- measured: begin -->\n"
	end     = "<!-- measured: end -->"
)

// The benchmark measures so many days if this says so.
const envDays = "DETECTION_DAYS"

func main() {
	sandbox.Init() // building starts this program again, inside the sandbox
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	if err := measure(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "detectors:", err)
		os.Exit(1)
	}
}

func measure(ctx context.Context, args []string) error {
	flags := flag.NewFlagSet("detectors", flag.ContinueOnError)
	learner := flags.Bool("learner", false, "measure the code in the lab's folder, not the solution")
	days := flags.Float64("days", 1, "simulated days for each detector and network")
	docs := flags.Bool("docs", false, "write the table into "+page+", and the picture "+picture)
	if err := flags.Parse(args); err != nil {
		return err
	}
	c, err := course.Open(".")
	if err != nil {
		return err
	}
	lab, err := c.Lab("04-udp-heartbeat")
	if err != nil {
		return err
	}
	of := sources.Solution
	if *learner {
		of = sources.Learner
	}
	set, err := of(lab)
	if err != nil {
		return err
	}
	binary, err := run.Build(ctx, lab, set, run.Options{Race: run.RaceOff})
	if err != nil {
		return err
	}
	defer binary.Close()
	rows, err := bench.Measure(ctx, bench.Side{Name: "lab 4", Binary: binary.Path()}, bench.Options{
		Dir: lab.Dir, Match: "^Benchmark" + detectors.Benchmark + "$", Rounds: 1, Time: time.Nanosecond,
		Env: append(os.Environ(), envDays+"="+strconv.FormatFloat(*days, 'g', -1, 64)),
	})
	if err != nil {
		return err
	}
	all, err := detectors.FromRows(rows)
	if err != nil {
		return err
	}
	if !*docs {
		return detectors.WriteTable(os.Stdout, all)
	}
	return writeDocs(lab.Root, all)
}

// writeDocs puts table and picture where the docs have them.
func writeDocs(root string, all []detectors.Figures) error {
	file := filepath.Join(root, filepath.FromSlash(page))
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	before, rest, found := bytes.Cut(text, []byte(begin))
	_, after, closed := bytes.Cut(rest, []byte(end))
	if !found || !closed {
		return fmt.Errorf("%s has no lines %q and %q for the table to stand between", page, begin, end)
	}
	var written, plot bytes.Buffer
	written.Write(before)
	written.WriteString(begin)
	if err := detectors.WriteTable(&written, all); err != nil {
		return err
	}
	written.WriteString(end)
	written.Write(after)
	if err := detectors.WritePlot(&plot, all, all[0].Network); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(root, filepath.FromSlash(picture)), plot.Bytes(), 0o644); err != nil {
		return err
	}
	return os.WriteFile(file, written.Bytes(), 0o644)
}
