// Package baretest reads the machine's code of a program, to show that what runs
// where Go's runtime is not, or not yet, asks nothing of it.
//
// Runs in: tests.
// Reads:   a program that it builds, as go tool objdump shows it.
// Touches: nothing.
// Fails:   the test, by each function that is called and cannot be read.
// Proved by: the controls of its users' tests.
package baretest
