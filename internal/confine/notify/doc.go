// Package notify is the wire of refused system calls: seccomp_unotify(2).
//
// Runs in: the supervisor, and before it launch, while the walls are proved.
// Reads:   what the kernel says of a call. Its arguments are the agent's, and
// stay the agent's to change: nobody decides by them.
// Touches: one descriptor.
// Fails:   with the system's error; ENOENT means that the caller is gone.
// Proved by: test/escape.TestEscapes, supervisor.TestFloodIsBounded.
//
// There is no way here to let a call go on: it is refused, always.
package notify
