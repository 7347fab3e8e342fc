// Command refusals tells, from the events of a book on standard input, what a
// rogue model made its agent try and what stopped it: for the demo.
package main
