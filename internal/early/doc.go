// Package early begins what `run` and `exec` are sure to need, before the
// program's other packages are initialised: that takes 1.4 ms, in which init's
// namespaces and runtime can come into being, or the supervisor start the
// command.
//
// Runs in: the command line.
// Reads:   the command line, NEMOCLAW_HOME and HOME; for root the files of
// users, to find an id that is nobody's.
// Touches: makes init's process, which waits for its spec and ends with this
// one; the control socket of the named sandbox, by a path that only its
// operator can write to.
// Fails:   by beginning nothing: what is not plain goes the long way, which
// says what is wrong.
// Proved by: TestBeforeTheRest, TestPlain.
//
// Packages are initialised in the order of their import paths, as soon as what
// they import is (the Go specification, "Package initialization"). This one
// comes before nearly all as long as it imports only what package os does too:
// the others wait for that.
package early
