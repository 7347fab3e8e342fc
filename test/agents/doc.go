// Package agents runs agents from npm as their users do, each with nothing but
// an environment or a configuration of its own that names the router: pi, Claude
// Code, Codex, OpenCode and Gemini CLI. A local Ollama stands for the cloud; only
// it sees the cloud's key.
//
// Runs in: tests. install.sh fetches the agents, pinned by their lockfiles.
// Reads:   what the agents print, and what the router records.
// Touches: a home of its own for each agent, loopback ports, processes of its
// own. There are no walls here: the command that a model asks for is harmless.
// Fails:   the test; skips it where the agents were not installed.
// Proved by: TestAgents.
package agents
