package run

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	"workbook.example/tools/result"
)

// silent is the verdict on a test that a process should have run and that said
// nothing: it is not there any more, or it is no lab test.
func (j *judgement) silent(ctx context.Context, name string) result.Test {
	b := j.binary
	f := result.Failure{Kind: result.KindMissing}
	file, here := b.home(ctx, name)
	changed := slices.Contains(b.changes.edited, file) || slices.Contains(b.changes.deleted, file)
	switch {
	case here && changed:
		f.Seen, f.Why = fmt.Sprintf(seenSilentEdited, name, file), whyRestored
		f.Detail = b.changes.restore(b.lab.Path(), file)
	case here && b.changes.known:
		f.Seen, f.Why = fmt.Sprintf(seenSilent, name), fmt.Sprintf(whySilentUnchanged, file)
	case here:
		f.Seen, f.Why = fmt.Sprintf(seenSilent, name), whySilent
		f.Detail = b.changes.restore(b.lab.Path(), file)
	case file != "":
		f.Seen, f.Why = fmt.Sprintf(seenGoneFrom, name, file), whyGone
		if slices.Contains(b.changes.deleted, file) {
			f.Seen = fmt.Sprintf(seenGoneWith, name, file)
		}
		f.Detail = b.changes.restore(b.lab.Path(), file)
	default:
		f.Seen, f.Why = fmt.Sprintf(seenGone, name), whyGone
		f.Detail = b.changes.restore(b.lab.Path(), b.changes.deleted...)
	}
	return result.Test{Name: name, Verdict: result.Error, Failure: j.tell(name, f)}
}

// restore is the command that brings files of the lab's folder back as the
// course gives them. Without a file it is one for whatever is missing.
func (c changes) restore(labPath string, files ...string) string {
	gone := func(file string) bool {
		return !slices.Contains(c.deleted, file) && !slices.Contains(c.edited, file)
	}
	switch {
	case len(files) > 0 && !slices.ContainsFunc(files, gone):
		return "git checkout HEAD -- " + strings.Join(files, " ")
	case c.known && len(files) > 0: // committed that way
		return fmt.Sprintf(restoreByHand, strings.Join(files, " "))
	case c.known:
		return fmt.Sprintf(restoreByHand, labPath)
	case len(files) > 0:
		return fmt.Sprintf(restoreFileWithoutGit, path.Base(files[0]), labPath)
	default:
		return fmt.Sprintf(restoreWithoutGit, labPath)
	}
}
