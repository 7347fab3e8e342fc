// Package version holds what this build is called.
//
// Runs in: everywhere. Reads, touches, fails: nothing.
// Proved by: the testscript of `nemoclaw version`.
package version
