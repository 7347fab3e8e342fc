// Package version holds what this build is called.
//
// Runs in: everywhere. Reads, touches, fails: nothing.
// Proved by: the testscript of `nemoclaw version`.
package version

// String is set by the linker (Makefile); a plain `go build` is "dev".
var String = "dev"
