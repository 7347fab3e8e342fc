// Package model gives a test the real Ollama with tiny models in it.
//
//	url := model.Ollama(t)         // tiny: a sentence; rogue: a call of the tool exec
//	url := model.Ollama(t, mine)   // models of one's own beside them
//
// Runs in: tests.
// Reads:   the program that test/model/ollama.sh built.
// Touches: the test's temporary folder, one process, one loopback port; never
// the user's Ollama.
// Fails:   the test; skips it where Ollama was not built.
// Proved by: TestTinySaysItsSentence, TestRogueCallsItsTool.
package model
