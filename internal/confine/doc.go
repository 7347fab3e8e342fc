// Package confine is the inside of a sandbox: PID 1, which builds the walls
// and proves them, and the spawner, which forks everything that runs.
//
// Runs in: the sandbox; nothing of it runs on the host.
// Reads:   one spec from the supervisor, then its questions; /proc of the
// agents, whose every byte is hostile.
// Touches: its own namespaces only.
// Fails:   closed. A step that does not succeed ends PID 1 and with it the
// sandbox, before any agent has run.
// Proved by: the tests of internal/launch, which start real sandboxes.
//
// Three doors of one program, chosen by argv:
//
//	(none)     Main:  PID 1. Outside the agents' Landlock domain, so that it
//	                  can look at them and they cannot touch it.
//	spawner    Spawn: PID 2. Forked by the one thread of PID 1 that has entered
//	                  the domain; so it and all that it forks are in it.
//	prove      Prove: an ordinary command of the spawner that tries what must
//	                  be refused, and says what happened.
package confine
