// Package spare finds a user id that nobody on this machine has.
//
// Runs in: the command line, there before most other packages are initialised
// (package early), so that it may import only what package os imports too.
// Reads:   the files of users and of their ranges, by the caller's reader.
// Touches: nothing.
// Fails:   with an error; then no sandbox is made.
// Proved by: TestUser.
package spare
