// Package hail has the words with which a client leaves HTTP on the control
// socket.
//
// Runs in: the command line, there before most other packages are initialised
// (package early), so that it may import only what package os imports too.
// Reads:   the first words of a client, in the supervisor.
// Touches: nothing.
// Fails:   with an error; what is not whole asks for nothing.
// Proved by: TestAsked, and the tests of package control.
package hail
