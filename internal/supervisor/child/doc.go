// Package child starts the processes that do for a confined supervisor what it
// cannot do itself, with a wire to each.
//
// Runs in: the supervisor, before it is confined.
// Reads:   what comes on a wire, as questions of bounded length (Decoder).
// Touches: one new process a call, from the program that this process runs.
// Fails:   with an error and no process.
// Proved by: TestClerk and TestNotifier, by whoever starts one.
package child
