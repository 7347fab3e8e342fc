// Package tiny makes language models of a megabyte that say exactly what a
// test wants: a sentence, or a call of a tool. They are real GGUF files, which
// the real Ollama and the real llama.cpp load and run; so an agent that goes
// wrong can be tested on the real agent and the real server, and does the same
// every time.
//
// Runs in: tests and the demo, on the host's side.
// Reads:   nothing.
// Touches: nothing; it makes bytes.
// Fails:   with an error, when a script is too long for the vocabulary.
// Proved by: TestCodesAreOrthogonal, TestPiecesAreUnique, and by the real
// servers in test/model.
//
// How a model is made: a script is a list of turns. A llama of one layer, whose
// attention and feed-forward give nothing, is a table "this token, then that
// one"; the table holds each turn as a chain of tokens, begun by a marker of
// its own. The prompt template ends in the marker of the turn that is due, which
// it finds by counting the answers of tools.
package tiny
