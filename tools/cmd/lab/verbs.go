package main

import "github.com/spf13/cobra"

// verbs are all that lab can do, in the order of its help.
func verbs() []*cobra.Command {
	return []*cobra.Command{newTest(), newList(), newRun(), newHint(), newNet(), newBench(), newVerify()}
}
