// Package cli holds the scripts of the command line: each file in testdata is
// one story, told in its first line, run against the real program with a state
// folder of its own.
//
// Runs in: go test. Where a person would type, the program runs in a real
// terminal (tmux), and the script says what is seen and which key is pressed.
// Reads:   nothing of this machine's own nemoclaw or model server.
// Touches: sandboxes of its own, which each script destroys.
// Fails:   a script that needs what is missing here is skipped, and says what.
// Proved by: itself.
package cli
