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
// A run's init was begun earlier still, by package ahead, where the build has the
// program begin there; here it gets its user.
//
// The build has packages initialised in the order in which a run needs them
// (scripts/inits): this one first, after what package os imports, which is all
// that it imports.
package early
