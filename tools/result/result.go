// Package result holds the one result type of the workbook: what a run of a
// lab's laws on somebody's code came to. Everything that runs a lab makes one,
// everything that shows or stores a verdict reads one. It imports nothing else
// of the project.
package result

import "time"

// Version is the number of the JSON schema; it grows when a reader of the old
// schema would misread the new one.
const Version = 1

// Verdict is the outcome of a test, a stage or a lab.
type Verdict string

// The five verdicts, from best to worst for the one who wrote the code. Fault
// is nobody's grade: it is the workbook's own trouble.
const (
	Pass   Verdict = "pass"    // every law holds
	NotRun Verdict = "not-run" // this machine cannot exercise it
	Fail   Verdict = "fail"    // a law is broken
	Error  Verdict = "error"   // the code did not build, panicked, hung or hit a limit
	Fault  Verdict = "fault"   // our own trouble
)

// Result is the outcome of running a lab on one set of sources.
type Result struct {
	Version   int       `json:"version"`
	Lab       Lab       `json:"lab"`
	Source    Source    `json:"source"`
	Verdict   Verdict   `json:"verdict"`
	Points    Points    `json:"points"`
	Stages    []Stage   `json:"stages"`
	Build     *Failure  `json:"build,omitempty"` // set when nothing could be run because the code does not build
	Notes     []string  `json:"notes,omitempty"` // what the reader should know about the run itself, a sentence each
	Race      bool      `json:"race"`            // whether the race detector watched
	Isolation Isolation `json:"isolation"`
	Go        string    `json:"go"`       // toolchain, as runtime.Version gives it
	Platform  string    `json:"platform"` // GOOS/GOARCH
	Started   time.Time `json:"started"`
	Seconds   float64   `json:"seconds"` // wall time, build included
}

// Lab names the lab that was run.
type Lab struct {
	Number int    `json:"number"`
	Folder string `json:"folder"` // e.g. 02-tcp-server
	Title  string `json:"title"`
}

// Source says whose code was compiled.
type Source struct {
	Kind string `json:"kind"`           // learner, solution, bug or folder
	Name string `json:"name,omitempty"` // the bug's slug, or the folder's path as it was given
}

// Points counts what was earned. Only core stages count towards the grade;
// extension stages are extra.
type Points struct {
	Core     int `json:"core"`
	CoreMax  int `json:"core_max"`
	Extra    int `json:"extra"`
	ExtraMax int `json:"extra_max"`
}

// Isolation is how far the run was kept apart from the machine.
type Isolation struct {
	Level  string `json:"level"`            // "namespace" or "none"
	Reason string `json:"reason,omitempty"` // why it is not more
	Remedy string `json:"remedy,omitempty"` // the command that would change it
}

// Stage is the outcome of one stage.
type Stage struct {
	ID        int     `json:"id"`
	Title     string  `json:"title"`
	Extension bool    `json:"extension,omitempty"`
	Points    int     `json:"points"`
	Verdict   Verdict `json:"verdict"`
	Tests     []Test  `json:"tests"`
	Output    string  `json:"output,omitempty"` // what the code printed outside of any test, cut to a readable size
	Cut       int     `json:"cut,omitempty"`    // lines of output that were left out
	Seconds   float64 `json:"seconds"`
}

// Test is the outcome of one test.
type Test struct {
	Name    string   `json:"name"`
	Verdict Verdict  `json:"verdict"`
	Failure *Failure `json:"failure,omitempty"`
	Output  string   `json:"output,omitempty"` // what the code printed while the test ran, cut to a readable size
	Cut     int      `json:"cut,omitempty"`    // lines of output that were left out
	Seconds float64  `json:"seconds"`
}

// Kind says what sort of failure it was; it decides which words surround it.
type Kind string

// The kinds of failure.
const (
	KindLaw     Kind = "law"     // a law was broken
	KindGate    Kind = "gate"    // an earlier stage must pass before this can be judged
	KindBuild   Kind = "build"   // the code does not compile
	KindPanic   Kind = "panic"   // the code panicked
	KindHang    Kind = "hang"    // the code waits for ever, or never stops computing
	KindExit    Kind = "exit"    // the code ended the process
	KindRace    Kind = "race"    // the race detector spoke
	KindLeak    Kind = "leak"    // a goroutine or a descriptor was left behind
	KindMissing Kind = "missing" // a test gave no verdict, or is not there
	KindLimit   Kind = "limit"   // a limit of the sandbox was hit
	KindSkipped Kind = "skipped" // not-run: Seen has the reason, Detail the command that changes it
)

// Failure is what a person is told about a test that did not pass. The fields
// are in the order in which they are read; an empty one is left out.
type Failure struct {
	Kind   Kind     `json:"kind"`
	Seen   string   `json:"seen"`             // what happened instead, a sentence or a few lines
	Law    string   `json:"law,omitempty"`    // what should hold
	Why    string   `json:"why,omitempty"`    // why it matters, one sentence
	Ladder string   `json:"ladder,omitempty"` // the conversation, drawn
	Detail string   `json:"detail,omitempty"` // compiler output, goroutines: quoted as they are
	Look   []string `json:"look,omitempty"`   // file:line in the repo, the likeliest first
	Read   string   `json:"read,omitempty"`   // a file and heading
	Hint   string   `json:"hint,omitempty"`   // a command
	Again  string   `json:"again,omitempty"`  // the command that runs just this once more
	Seed   string   `json:"seed,omitempty"`   // set when something was random
}
