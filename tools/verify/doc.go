// Package verify proves that a lab's tests earn their place. For every lab it
// checks that
//
//   - the untouched stubs fail every stage, soon and without a crash;
//   - the solution passes every stage;
//   - every bug, which is the solution made wrong in one plausible way, fails
//     the test that its header names, with a message that contains what its
//     header says, and fails no earlier stage;
//   - lab.toml, the test files, README.md, hints.md and the solution agree.
//
// A wrong solution that passes is a defect of the lab, and so is a message
// that does not say what is wrong.
package verify
