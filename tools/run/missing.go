package run

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"

	"workbook.example/tools/result"
)

// silent is the verdict on a test that a process should have run and that said
// nothing: it is not there any more, or it is no lab test.
func (j *judgement) silent(name string) result.Test {
	f := result.Failure{Kind: result.KindMissing, Seen: fmt.Sprintf(seenSilent, name)}
	if !j.binary.hasTest(name) {
		f.Seen = fmt.Sprintf(seenGone, name)
		f.Why = whyGone
		f.Detail = j.binary.changes.restore(j.binary.lab.Path())
	}
	return result.Test{Name: name, Verdict: result.Error, Failure: j.tell(name, f)}
}

// hasTest reports whether a test of the lab's folder has that name.
func (b *Binary) hasTest(name string) bool {
	entries, err := os.ReadDir(b.lab.Dir)
	if err != nil {
		return false
	}
	for _, entry := range entries {
		if !strings.HasSuffix(entry.Name(), "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), filepath.Join(b.lab.Dir, entry.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			continue
		}
		for _, decl := range file.Decls {
			if f, ok := decl.(*ast.FuncDecl); ok && f.Recv == nil && f.Name.Name == name {
				return true
			}
		}
	}
	return false
}

// restore is the command that brings back what is no longer as the course
// gives it.
func (c changes) restore(labPath string) string {
	files := append(append([]string{}, c.deleted...), c.edited...)
	switch {
	case len(files) > 0:
		return "git restore " + strings.Join(files, " ")
	case c.known: // committed that way, or never there
		return fmt.Sprintf(restoreByHand, labPath)
	default:
		return fmt.Sprintf(restoreWithoutGit, labPath)
	}
}
