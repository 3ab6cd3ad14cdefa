package run

import "os"

// signalOf is the signal that a process died of; Windows has none.
func signalOf(*os.ProcessState) (os.Signal, bool) { return nil, false }
