// Package mount reads the --mount flags of `onboard` and `run`, and refuses what
// would hand over more than a project.
//
// Runs in: the command line.
// Reads:   what the operator typed; the names below a writable source.
// Touches: nothing.
// Fails:   with a *Bad, which says what to write instead.
// Proved by: TestMounts, TestMountWithSocket.
package mount
