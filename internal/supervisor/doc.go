// Package supervisor keeps one sandbox: it joins launch, the gates, approvals,
// the audit book, sessions and the control socket, and ends with the sandbox.
//
// Runs in: a process of its own on the host's side, one per sandbox; for
// `nemoclaw run` inside the command itself.
// Reads:   the sandbox's files, the operator's answers; nothing under the
// workspace by path.
// Confined: before it reads a byte of the agent, on all its threads (confine.go);
// what lies directly in the sandbox's folder its clerk reads and writes for it.
// Touches: the sandbox's folder (book, logs, run/), the network after a
// verdict, one loopback port of the host for the agent's gateway.
// Fails:   closed. If it dies, init dies with it. A book that cannot be
// written refuses new connections and calls.
// Proved by: TestSupervisorLimits here, and the end-to-end tests.
//
// Concurrency: keeper's fields are set before its goroutines start and are
// read-only or safe for concurrent use afterwards, except where a mutex above
// them says otherwise. Locks are never held while waiting for another.
package supervisor
