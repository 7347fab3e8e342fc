// Package native keeps a supervisor as a process of this machine, one a
// sandbox, without a daemon in between.
//
// Runs in: the command line; Report in the supervisor's own door.
// Reads:   state, the supervisor's reports, /proc of a supervisor that is to end.
// Touches: processes: starts `nemoclaw supervisor NAME`, signals the one that
// holds the sandbox's lock; the sandbox's folder.
// Fails:   with nothing left running: a start that is not finished is undone.
// Proved by: TestStart, TestStartFails, TestStartInterrupted, TestStop, test/cli/testdata/life.txt.
//
// A start:
//
//	command line                       supervisor
//	    fork, exec /proc/self/exe ───>  nemoclaw supervisor NAME --report 3
//	    <─── {"tell": "…"}              a line for each step
//	    <─── {"ready": true}            walls, agent and inference are checked
//	    or   {"error": "…", "hint": "…"}
//
// A trial is the same at NAME/trial, with --while 4: it ends when the command line does.
//
// The pipe is descriptor 3, named on the command line. Its end without a last
// word means that the supervisor died; its log then says why. A pipe that
// breaks after ready, because the command line went away, is no concern of the
// supervisor's.
package native
