// Command check runs everything that must hold before a change lands;
// `make test` is its usual name. It is run in the tools folder.
package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"

	"workbook.example/tools/check"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	root, err := filepath.Abs("..")
	var steps []check.Step
	if err == nil {
		steps, err = check.Steps(ctx, root)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "check:", err)
		os.Exit(1)
	}
	if tally := check.Run(ctx, os.Stdout, steps); tally.Failed > 0 {
		os.Exit(1)
	}
}
