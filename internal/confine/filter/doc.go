// Package filter is the process wall's system call filter: one readable table,
// a small compiler from it to classic BPF, and the call that installs it.
//
// Runs in: init, on every thread, from the moment it is installed; everything
// that init starts inherits it.
// Reads:   nothing. The table is data; a call's pointer arguments are never
// followed, since a filter cannot and a supervisor would race the caller.
// Touches: the calling process: no_new_privs and its seccomp filter.
// Fails:   closed. A call that the table does not know is ENOSYS, a foreign
// architecture is killed, and an Install that fails leaves the caller to stop.
// Proved by: TestCompiledEqualsTable, FuzzCompiledEqualsTable,
// TestEveryRefusalIsMade, TestAllowedCallsWork, TestRealPrograms.
//
// # How to read the table
//
// A Row names one call. Its Cases are tried in order, the first whose every
// Test holds decides; where none does, the row's Action decides. A call without
// a row is Absent: unknown calls must look as if the kernel were older, so that
// libraries fall back. Four answers exist:
//
//	Allow   the kernel does it; what it may reach is the other walls' business
//	Absent  ENOSYS, silently: the library has another way
//	Errno   another error, silently: honest programs ask this all the time
//	Refuse  the supervisor is told and answers EPERM: an event, never continued
//
// An int or unsigned int argument is compared in its low 32 bits alone, since
// that is all the kernel looks at: TIOCSTI with high bits set is still TIOCSTI.
package filter
