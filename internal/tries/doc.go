// Package tries is what `nemoclaw NAME verify` and `nemoclaw doctor` do: the
// harmless ones of the escapes, tried in a real sandbox on the very machine and
// kernel that it stands on, and once more outside, where they must do something
// else than being refused.
//
// Runs in: cmd/tries, a small program of its own that is handed into a sandbox
// as a sealed memory file. Init forks it among the agents, so that it stands
// behind exactly the walls that they do. The supervisor and the command line
// read what it says.
// Reads:   its report, which Read takes as something that an agent could have cut.
// Touches: nothing that outlasts it: what a try might change is a file of its
// own below /tmp, or named by arguments that are nonsense.
// Fails:   a try of which nothing was heard counts as not refused.
// Proved by: test/escape.TestTries, TestTriesTellAMissingWall, and the script
// verify.txt of test/cli.
//
// The catalogue of all attacks, with everything that is not harmless or needs a
// world around it, is test/escape; a try has the number of its case there.
package tries
