// Package server runs a real model server of its own, with tiny models in it:
// the real Ollama where it was built, on a free port, with models and a home of
// its own. The user's Ollama is never asked and never touched.
//
// Runs in: tests and the demo, on the host's side.
// Reads:   the program at .cache/ollama of the repository.
// Touches: the folder that it is given, one process, one loopback port.
// Fails:   with an error that ends in the server's last words.
// Proved by: test/model.
package server
