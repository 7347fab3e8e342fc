// Package libraries points the official libraries at the router without a change:
// those of Ollama, OpenAI, Anthropic and Google for JavaScript, Python and Go, as
// the registries have them, each asking the real Ollama behind a router whose
// provider speaks Ollama's API, OpenAI's or Anthropic's.
//
// Runs in: tests. install.sh fetches the libraries, pinned by their lockfiles.
// Reads:   what the clients print.
// Touches: loopback ports and processes of its own.
// Fails:   the test; skips it where the libraries were not installed.
// Proved by: TestOfficialLibraries.
package libraries
