// Modelserver runs a real model server for the demo, with two tiny models in
// it: tiny, which says a sentence, and rogue, which calls the tool exec to read
// passwords and to call home.
//
//	go run ./demo/modelserver --dir STATE [--port 0] [--print-url]
//
// It stays in the foreground until it is ended (INT or TERM) and writes
// STATE/url when the server answers. Where the real Ollama was built
// (test/model/ollama.sh) it runs that; else llama.cpp in Node, which it fetches
// into the repository's .cache through npm, pinned by the lockfile beside it.
//
// Runs in: the demo, on the host's side.
// Reads:   the repository's .cache.
// Touches: STATE, .cache/llama-*, one process, one loopback port.
// Fails:   with a line that says what is missing.
// Proved by: TestLlamaAnswers, TestCommand.
package main
