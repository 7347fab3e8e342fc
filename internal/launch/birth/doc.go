// Package birth makes init's process, in namespaces of its own, and has it
// execute init's program.
//
// Runs in: what starts a sandbox; for `run` before most other packages are
// initialised (package early), so that it may import only what package os
// imports too.
// Reads:   nothing.
// Touches: makes a process, its namespaces and their maps of users.
// Fails:   closed. Init's process executes nothing before its user is mapped,
// and ends where a step does not succeed.
// Proved by: TestConstants, and every test of package launch.
//
// What happens at the same time:
//
//	caller          program into memory, who the user is ── other work
//	lasting thread  clone ──── the rest of the program, maps, go ── Attend
//	init's process                waits ────────────────────────── │ user, privileges, execveat
//
// For a run, package ahead has done most of it while Go's runtime started; then the
// caller is left who the user is, the maps, and to say go.
package birth
