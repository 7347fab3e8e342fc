// Package throwaway raises the sandbox of a `run`, up to its proved walls. That
// of a plain one, which asks for nothing but a command, is begun before the
// packages of the gates are initialised: init takes longer to build walls than
// they do.
//
// Runs in: the command line; for `verify` the supervisor.
// Reads:   the host's layout; the command line.
// Touches: makes a sandbox, from the init that package early has begun, and its
// folder in TMPDIR, which whoever takes it removes; Sweep also removes those of
// runs that were killed.
// Fails:   as package launch does: with no sandbox.
// Proved by: TestPlain, TestBeforeTheRest, TestBegunIsTaken, TestSweep,
// TestSignalWhileItHangs, and every test of
// `run`.
package throwaway
