// Package confine is the inside of a sandbox: PID 1, which builds the walls
// and proves them, and what it forks for the agents: the prover, which becomes
// the first command, and the spawner, which forks all others.
//
// Runs in: the sandbox; nothing of it runs on the host.
// Reads:   one spec from the supervisor, then its questions; /proc of the
// agents, whose every byte is hostile.
// Touches: its own namespaces only.
// Fails:   closed. A step that does not succeed ends PID 1 and with it the
// sandbox, before any agent has run.
// Proved by: the tests of internal/launch, which start real sandboxes.
//
// Two doors of one program, chosen by argv, and a child that is no program:
//
//	(none)     Main:  PID 1. Outside the agents' Landlock domain, so that it
//	                  can look at them and they cannot touch it.
//	prover     a list of system calls (package bare), begun by the one thread
//	                  of PID 1 that has entered the domain; so it is in it, and
//	                  all that it starts. Tries what must be refused, says when
//	                  it has, waits, and executes the first command in its own
//	                  place, or ends before anything else is started.
//	spawner    Spawn: forked by the same thread for the second command; forks
//	                  that and all later ones.
package confine
