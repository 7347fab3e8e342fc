// Package program holds the programs that run inside, and puts one into a
// memory file from which it can be started.
//
// Runs in: the supervisor, and a throw-away run's command line, there before
// most other packages are initialised (package early), so that it may import
// only what package os imports too.
// Reads:   what is embedded.
// Touches: memory.
// Fails:   with an error; then no sandbox starts.
// Proved by: every test of package launch.
package program
