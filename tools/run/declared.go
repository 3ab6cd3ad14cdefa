package run

import (
	"context"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"

	"workbook.example/tools/sources"
)

// declared are the names that a Go file declares: of functions, types,
// methods, fields, variables and constants. What does not parse declares what
// was understood of it.
func declared(text []byte) []string {
	file, _ := parser.ParseFile(token.NewFileSet(), "", text, parser.SkipObjectResolution)
	if file == nil {
		return nil
	}
	var names []string
	add := func(idents ...*ast.Ident) {
		for _, id := range idents {
			names = append(names, id.Name)
		}
	}
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			add(d.Name)
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch s := spec.(type) {
				case *ast.ValueSpec:
					add(s.Names...)
				case *ast.TypeSpec:
					add(s.Name)
					ast.Inspect(s.Type, func(n ast.Node) bool {
						if field, ok := n.(*ast.Field); ok {
							add(field.Names...)
						}
						return true
					})
				}
			}
		}
	}
	return names
}

// absent are missing editable files, because of names that are looked for in
// vain.
type absent struct {
	names, files []string
	restorable   []string // those of the files that git has
	sure         bool     // the course is known to have the names in these files
}

// absent finds the missing files in which the course declares one of the names.
func (b *Binary) absent(ctx context.Context, names []string) absent {
	a := absent{sure: true}
	if len(names) == 0 {
		return a
	}
	for _, name := range b.set.Missing {
		file := path.Join(b.lab.Path(), name)
		text, inGit := committed(ctx, b.lab.Root, file)
		if !inGit {
			var err error
			if text, err = os.ReadFile(filepath.Join(sources.SolutionDir(b.lab), name)); err != nil {
				// Nobody knows what was in it: it may have been the name.
				return absent{names: names, files: b.set.Missing}
			}
		}
		has := declared(text)
		wanted := slices.DeleteFunc(slices.Clone(names), func(s string) bool { return !slices.Contains(has, s) || slices.Contains(a.names, s) })
		if len(wanted) == 0 {
			continue
		}
		a.names, a.files = append(a.names, wanted...), append(a.files, name)
		if inGit && b.set.Source.Kind == sources.KindLearner {
			a.restorable = append(a.restorable, file)
		}
	}
	return a
}

// tell says what is not there, and how it comes back.
func (a absent) tell(b *Binary) (seen, why string) {
	names := a.names
	if len(names) > fewErrors {
		names = append(slices.Clone(names[:fewErrors]), andMore)
	}
	seen = seenFilesMissing
	if !a.sure {
		seen = seenFilesUnknown
	}
	if len(a.restorable) > 0 {
		why = fmt.Sprintf(whyFilesMissing, strings.Join(a.restorable, " "))
	}
	return fmt.Sprintf(seen, list(names), list(a.files), b.placed.Shown), why
}

// laws are the test files in the lab's folder, by their paths from the
// workbook's root, and what they declare.
func (b *Binary) laws() map[string][]string {
	files, err := filepath.Glob(filepath.Join(b.lab.Dir, "*_test.go"))
	if err != nil {
		return nil
	}
	laws := map[string][]string{}
	for _, file := range files {
		if text, err := os.ReadFile(file); err == nil {
			laws[path.Join(b.lab.Path(), filepath.Base(file))] = declared(text)
		}
	}
	return laws
}

// home is the file that a test is in, or that it was in as far as git knows. It
// is empty if git does not.
func (b *Binary) home(ctx context.Context, test string) (file string, here bool) {
	for file, names := range b.laws() {
		if slices.Contains(names, test) {
			return file, true
		}
	}
	for _, file := range slices.Concat(b.changes.deleted, b.changes.edited) {
		if text, ok := committed(ctx, b.lab.Root, file); ok && slices.Contains(declared(text), test) {
			return file, false
		}
	}
	return "", false
}
