package run

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"workbook.example/tools/course"
	"workbook.example/tools/postmortem"
	"workbook.example/tools/result"
	"workbook.example/tools/sources"
)

// died is the verdict on a test in whose time the process ended.
func (j *judgement) died(end *ended, name string) result.Test {
	return result.Test{Name: name, Verdict: result.Error, Failure: j.tell(name, j.binary.autopsy(end))}
}

// autopsy says what a process died of.
func (b *Binary) autopsy(end *ended) result.Failure {
	report := postmortem.Parse([]byte(end.dump), b.scope())
	panicked := end.dump != "" && report.Panic != ""
	signal, signalled := signalOf(end.state)
	switch {
	case end.hung && len(end.events) == 0:
		return result.Failure{Kind: result.KindHang, Seen: seenHangAtStart, Why: whyHangAtStart, Detail: report.String(), Look: places(report)}
	case end.hung:
		return result.Failure{Kind: result.KindHang, Seen: seenHang, Detail: report.String(), Look: places(report)}
	case panicked && strings.HasPrefix(report.Panic, "unexpected call to os.Exit(0)"):
		return result.Failure{Kind: result.KindExit, Seen: fmt.Sprintf(seenExit, 0), Look: places(report)}
	case panicked && strings.HasPrefix(report.Panic, "all goroutines are asleep"):
		return result.Failure{Kind: result.KindHang, Seen: seenDeadlock, Detail: report.String(), Look: places(report)}
	case panicked && strings.Contains(end.dump, "out of memory"):
		return result.Failure{Kind: result.KindLimit, Seen: seenMemory, Detail: report.String(), Look: places(report)}
	case panicked:
		detail := report.String()
		if len(report.Goroutines) == 0 { // a stack without a line of the judged code: better all of it than nothing
			detail = strings.TrimSpace(end.dump)
		}
		return result.Failure{Kind: result.KindPanic, Seen: fmt.Sprintf(seenPanic, report.Panic), Detail: clip(detail), Look: places(report)}
	case signalled && signal == syscall.SIGKILL:
		return result.Failure{Kind: result.KindLimit, Seen: seenKilled}
	case signalled:
		return result.Failure{Kind: result.KindExit, Seen: fmt.Sprintf(seenSignal, signal), Detail: clip(end.dump)}
	default:
		return result.Failure{Kind: result.KindExit, Seen: fmt.Sprintf(seenExit, end.state.ExitCode()), Look: b.exits()}
	}
}

// raced is the failure of a test during which the race detector spoke.
func (j *judgement) raced(name string, reports []string) *result.Failure {
	report := postmortem.Parse([]byte(strings.Join(reports, "")), j.binary.scope())
	f := result.Failure{Kind: result.KindRace, Seen: seenRace}
	var detail strings.Builder
	for i, race := range report.Races {
		if text := race.String(); i == 0 || !strings.Contains(detail.String(), text) {
			detail.WriteString(text)
		}
		for _, a := range race.Accesses {
			if a.Mine && !slices.Contains(f.Look, a.At.String()) {
				f.Look = append(f.Look, a.At.String())
			}
		}
	}
	f.Detail = detail.String()
	if f.Detail == "" {
		f.Detail = clip(strings.Join(reports, "\n"))
	}
	f.Look = f.Look[:min(len(f.Look), maxLook)]
	return j.tell(name, f)
}

// maxLook is how many places a failure names: a pair of lines that race, and
// one more.
const maxLook = 3

// places are the lines of a report that a learner should look at.
func places(r postmortem.Report) []string {
	var look []string
	for _, g := range r.Goroutines {
		if at := g.At.String(); at != "" && !slices.Contains(look, at) && len(look) < maxLook {
			look = append(look, at)
		}
	}
	return look
}

func (b *Binary) scope() postmortem.Scope {
	return postmortem.Scope{Package: b.pkg, Short: func(file string) string {
		if rel, err := filepath.Rel(b.lab.Root, file); err == nil && filepath.IsLocal(rel) {
			return filepath.ToSlash(rel)
		}
		return file
	}}
}

// tell adds to a failure what the course knows about the test.
func (j *judgement) tell(name string, f result.Failure) *result.Failure {
	lab := j.binary.lab
	switch law := j.stage.Test(name); {
	case f.Why != "" || f.Kind == result.KindMissing:
	case whyKind[f.Kind] != "":
		f.Why = whyKind[f.Kind]
	case law != nil:
		f.Law, f.Why = law.Law, law.Why
	}
	f.Read = lab.Read(j.stage)
	f.Hint = fmt.Sprintf("make hint %d", lab.Number)
	f.Again = fmt.Sprintf("make test-lab %d STAGE=%d", lab.Number, j.stage.ID)
	return &f
}

// readable calls the judged files in a failure what its reader calls them: the
// build may have had copies of them elsewhere.
func (b *Binary) readable(f *result.Failure) {
	if f == nil || b.placed.Overlay == "" {
		return
	}
	f.Again = b.again(f.Again)
	shown := b.shown()
	for _, text := range []*string{&f.Seen, &f.Ladder, &f.Detail} {
		*text = shown.Replace(*text)
	}
	for i := range f.Look {
		f.Look[i] = shown.Replace(f.Look[i])
	}
}

// again is the command for the learner's code, turned into the one for this
// set where there is one that everybody can type.
func (b *Binary) again(command string) string {
	var whose string
	switch b.set.Source.Kind {
	case sources.KindSolution:
		whose = " --solution"
	case sources.KindBug:
		whose = " --bug " + b.set.Source.Name
	default:
		return command
	}
	return strings.NewReplacer("make test-lab", "bin/lab test"+whose, "STAGE=", "--stage ", "SEED=", "--seed ").Replace(command)
}

func (b *Binary) shown() *strings.Replacer {
	code := filepath.ToSlash(b.placed.Code)
	pairs := []string{code + "/", b.placed.Shown + "/"}
	if rel, err := filepath.Rel(b.lab.Root, b.placed.Code); err == nil {
		pairs = append(pairs, filepath.ToSlash(rel)+"/", b.placed.Shown+"/")
	}
	return strings.NewReplacer(pairs...)
}

// exits are the lines of the judged code that end the process. Nothing in a
// process that called os.Exit says who did.
func (b *Binary) exits() []string {
	entries, err := os.ReadDir(b.placed.Code)
	if err != nil {
		return nil
	}
	var look []string
	for _, entry := range entries {
		if !course.IsCode(entry.Name()) {
			continue
		}
		fset := token.NewFileSet()
		file, err := parser.ParseFile(fset, filepath.Join(b.placed.Code, entry.Name()), nil, parser.SkipObjectResolution)
		if err != nil {
			continue
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok && endsProcess(call) && len(look) < maxLook {
				look = append(look, fmt.Sprintf("%s:%d", path.Join(b.placed.Shown, entry.Name()), fset.Position(call.Pos()).Line))
			}
			return true
		})
	}
	return look
}

func endsProcess(call *ast.CallExpr) bool {
	f, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	pkg, ok := f.X.(*ast.Ident)
	if !ok {
		return false
	}
	switch pkg.Name {
	case "os", "syscall", "unix":
		return f.Sel.Name == "Exit"
	case "log":
		return strings.HasPrefix(f.Sel.Name, "Fatal")
	default:
		return false
	}
}

// clip keeps a quotation short enough to be read.
func clip(text string) string {
	const most = 40
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) <= most {
		return strings.Join(lines, "\n")
	}
	return strings.Join(lines[:most], "\n") + "\n" + fmt.Sprintf(linesLeftOut, len(lines)-most)
}
