// Package quick is the short road of `run` and `exec`, which scripts call many
// times a second: the one command alone, without the tree of all sandboxes and
// their verbs, and while packages that it does not need are not initialised.
//
// Runs in: the command line; `run` also keeps a sandbox.
// Reads:   what the operator typed, and what the sandbox says.
// Touches: a throw-away sandbox and its folder; what package early has begun.
// Fails:   as package cli does.
// Proved by: test/cli/testdata/run.txt and exec.txt, TestBeforeTheRest.
package quick
