// Command judge reads the events of `go test -json` from standard input and
// says how the run went, for a person and for CI. A test that was skipped is a
// failure unless expected.txt beside it names the reason: a wall that nobody
// tried is not proved.
package main
