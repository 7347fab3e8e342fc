// Package bare makes processes that are nothing but a list of system calls: no
// runtime, no stack, no memory of their own. A process that is a program
// started anew costs a runtime's start, one that is a copy costs a fault for
// each page that either side writes: the prover took 2.1 ms as the one, 1.2 ms
// as the other.
//
// Runs in: what starts init, there before most other packages are initialised
// (package early), so that it may import only what package os imports too; and
// PID 1 of a sandbox.
// Reads:   the list, which its maker may lengthen while the process waits.
// Touches: what the calls say.
// Fails:   closed. The call that gives less than it must is the last.
// Proved by: TestList, and every test of internal/launch.
//
// The process shares its maker's memory until a call of it executes something
// else (clone(2), CLONE_VM), so that what is to be read and written needs no
// way to it. It uses none but the list: the loop is written in the machine's
// own words, in registers.
package bare
