// Command inits has a linked program initialise its packages in an order of our
// choice: first what some packages need, then those, then the others.
//
//	inits -first PACKAGE,PACKAGE… LINKED OUT PACKAGE
//
// The Go linker writes a list of packages to initialise, sorted by path as far as
// imports allow. With that, a `run` would initialise what only other commands
// need: OpenPGP's curves, a registry's patterns, tables of decompressors. Package
// operator/quick keeps the main goroutine once what it needs is initialised, so
// what stands behind it in the list never is.
//
// Runs in: the build.
// Reads:   a program of ours for Linux, and what `go list` says of its packages.
// Touches: OUT, which differs from LINKED in the order of that list alone. It is
// written in one piece: so the kernel keeps it in large pages, which saves
// 200 page faults of a start.
// Fails:   with an error, and no OUT, where the list is not as Go 1.26 makes it.
// Proved by: TestOrder, which runs a program both ways.
//
// Any order is right in which a package comes after all that it imports (the Go
// specification, "Program initialization"): `go list -deps` gives one.
package main
