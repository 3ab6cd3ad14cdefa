// Package bench runs a lab's benchmarks on a learner's code and on the
// solution, taking turns in one run, and says how the two compare.
package bench
