// Package driver says what the operator's rooms need of the place where a
// supervisor lives: here (native), in a container, in a pod.
//
// Runs in: the command line.
// Reads:   state; what a supervisor says.
// Touches: what its drivers touch; nothing itself.
// Fails:   with typed errors that carry a hint.
// Proved by: native's tests, and test/cli.
//
// Everything but a sandbox's life goes over the connection that Dial gives,
// and knows no driver.
package driver
