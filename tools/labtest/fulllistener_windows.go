package labtest

import "errors"

// fill: Windows refuses a connect to a full backlog instead of leaving it
// without an answer.
func (*FullListener) fill(string) error { return errors.ErrUnsupported }
