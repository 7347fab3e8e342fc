// Package cli is the command line: one file a command, and the tree they hang
// on.
//
// Runs in: the command line; `supervisor` and `run` also keep a sandbox.
// Reads:   what the operator typed, and what supervisors and sandboxes say.
// Touches: sandboxes, through a driver and their control sockets; the state
// folder; the files that the installer made, in uninstall.
// Fails:   with "error: act: thing: cause", a line that says what helps, and
// an exit code of package say.
// Proved by: test/cli/testdata/*.txt, TestReserved, TestTree.
//
// Every sandbox is a command of its own, with the verbs beneath it, so that
// help and completion know it; the same verbs stand beside them for the case
// that there is exactly one sandbox, whose name may then be left out.
package cli
