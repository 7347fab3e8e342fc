// Package recent answers who holds a socket, where that is the process that was
// found last: what connects has often connected before. What else is asked it
// passes on. It promises what a search does: the process holds the socket now,
// nobody else does, and its program is what is said.
//
// Runs in: PID 1 of a sandbox, on a thread that Go's runtime does not know.
// Reads:   questions of the supervisor; /proc of the agents, whose every byte
// is hostile.
// Touches: nothing but what it answers.
// Fails:   closed. What is not sure at once is passed on; a thread that fails
// ends PID 1, and with it the sandbox.
// Proved by: TestThread, TestAnswers, TestNothingIsCalled, and the tests of
// internal/launch.
//
// A connection waits for this answer. A goroutine that waits in a system call
// has to be given a processor when it comes back, and for that the runtime
// wakes one or two other threads: more than half of what an answer took. So the
// thread is made by clone(2) alone, and what it runs asks nothing of the
// runtime: no goroutine, so no stack that grows (go:nosplit), no memory that is
// made, no pointer that is stored, no index that is checked. A test reads the
// machine's code to see that this is so. Its memory is not Go's either, and no
// signal comes to it.
package recent
