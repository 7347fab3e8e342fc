// Package live holds the terminal view against what it is for: the real
// program in a real terminal (tmux), a real sandbox, and an internet of its own
// (test/internet).
//
// Runs in: go test, in private namespaces.
// Reads:   nothing of this machine's own nemoclaw.
// Touches: sandboxes of its own in temporary folders.
// Fails:   the test; what is missing is named by a skip.
// Proved by: itself.
package live
