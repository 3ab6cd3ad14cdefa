package run

import (
	"context"

	"workbook.example/tools/course"
	"workbook.example/tools/result"
	"workbook.example/tools/sources"
)

// FirstUnsolved is the first stage that does not pass, or nil. It looks no
// further than that.
func FirstUnsolved(ctx context.Context, lab *course.Lab, set *sources.Set) (*course.Stage, error) {
	b, err := Build(ctx, lab, set, Options{})
	if err != nil {
		return nil, err
	}
	defer b.Close()
	for i := range lab.Stages {
		s, err := b.Stage(ctx, &lab.Stages[i], Options{})
		if err != nil {
			return nil, err
		}
		if s.Verdict != result.Pass && s.Verdict != result.NotRun {
			return &lab.Stages[i], nil
		}
	}
	return nil, nil
}
