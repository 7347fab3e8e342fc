// Package escape holds the attacks that must fail: small programs, each of
// which runs inside a sandbox, where it must be refused, and in a throw-away
// namespace outside the walls, where the same code must succeed. A case whose
// control does not succeed proves nothing and is skipped with the reason.
//
// Runs in: tests only. The test binary is the attack too: inside the sandbox
// and in the control it runs as `escape.test attack CASE WORLD`.
// Reads:   what the attacks loot: files, sockets and memory that the test made.
// Touches: the test's own temporary folders, and namespaces of its own. An
// attack refuses to run in the mount, PID or network namespace of the test.
// Fails:   when an attack gets through, when its control does not, or when the
// event that it should make is missing.
// Proved by: the controls.
//
// A case is named by a letter and a number: A network, C files, D processes and
// the kernel, E other programs and the host's services.
package escape
