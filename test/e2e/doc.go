// Package e2e uses the product as its user does: the real program, the real
// OpenClaw, the real Ollama, and an internet of its own (test/internet), so that
// api.github.com is really dialled and nothing leaves the machine.
//
// Each test has a state folder of its own and says in its name what a user
// sees. The whole runs as whoever calls; and where that is root, a second time
// as a user without any right (TestAsUser).
//
// Runs in: go test, in private namespaces; `make test` prepares what it needs.
// Reads:   bin/nemoclaw, .cache/blueprints and .cache/agent-blueprints (filled by
// the program warm below) and .cache/ollama of this repository.
// Touches: sandboxes of its own in temporary folders.
// Fails:   the test; what is missing is named by a skip.
// Proved by: itself.
package e2e
