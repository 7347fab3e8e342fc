// Package clerk is the small process that reads and writes for a supervisor
// what lies directly in the sandbox's folder: the two policy files, which are
// replaced by a rename when somebody saves them, and the secrets that they
// name. The supervisor cannot: the workspace lies in the same
// folder, and Landlock cannot grant the one without the other.
//
// Runs in: a process of its own beside each supervisor, whose end it follows.
// Reads:   the two policy files, sandbox keys from the store of secrets, and
// the supervisor's questions, as something that may be hostile.
// Touches: network-policy.yaml alone, where it is still what the supervisor
// has read.
// Fails:   closed. A question that is none is the end of it, and with it of
// the sandbox.
// Proved by: TestClerk, TestClerkLimits, FuzzQuestion.
//
// It never sees a byte of the agent, has no network, starts nothing and takes
// no path from anybody: questions are words of a closed list.
package clerk
