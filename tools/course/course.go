// Package course knows what there is to learn: labs, their stages, the laws
// that each stage is judged by, points and hints. It reads labs/*/lab.toml and
// labs/*/hints.md and holds no other knowledge.
package course

// Lab is one lab, as its lab.toml describes it.
type Lab struct {
	Number int    `toml:"-"` // from the folder's name
	Folder string `toml:"-"` // e.g. 02-tcp-server
	Dir    string `toml:"-"` // absolute path of labs/<Folder>
	Root   string `toml:"-"` // absolute path of the workbook

	Title    string   `toml:"title"`
	Package  string   `toml:"package"`
	Program  string   `toml:"program"`  // folder below cmd/ of the program to run by hand
	Editable []string `toml:"editable"` // the files that a learner writes; all others come from the course
	Stages   []Stage  `toml:"stage"`
}

// Stage is a step of a lab.
type Stage struct {
	ID        int      `toml:"id"`
	Title     string   `toml:"title"`
	Extension bool     `toml:"extension"` // extension stages are extra: they do not count towards progress and grade
	Points    int      `toml:"points"`
	Minutes   int      `toml:"minutes"` // what it takes somebody who meets the subject for the first time
	Chapter   string   `toml:"chapter"` // what to read, a path from the workbook's root
	Files     []string `toml:"files"`   // the editable files that this stage asks for
	Tests     []Test   `toml:"test"`
}

// Test is one law of a stage.
type Test struct {
	Name string   `toml:"name"`
	Law  string   `toml:"law"`  // what should hold, a sentence
	Why  string   `toml:"why"`  // why it matters, a sentence
	Look []string `toml:"look"` // functions where the law is kept, e.g. "Decoder.Next", the likeliest first
}
