// Package ahead makes init's process ahead of Go's runtime: while that starts,
// which takes a millisecond on one processor, the other makes the namespaces and
// puts init's program into memory.
//
// Runs in: the command line of a run, from its first instruction on, on a thread
// that Go's runtime does not know.
// Reads:   the command line's first word.
// Touches: makes a process, which waits and ends with this one, and what package
// birth needs to have it go on.
// Fails:   by having made nothing: package birth begins anew, and says what is
// wrong.
// Proved by: TestNothingIsCalled, TestAhead, TestMissingStream, TestEmulated, and
// every run.
//
// The build has the linker begin the program here (-E); where it does not, no
// process is ahead, and all is as it was. What runs before the runtime is there
// asks nothing of it, as in package confine/recent: no stack that grows, no memory
// that is made, no index that is checked. The thread stays for as long as the
// program does, since the kernel ends init with it (PR_SET_PDEATHSIG), and no
// signal comes to it.
package ahead
