// Package debian makes the lock of a base: it chooses the packages that those
// a recipe wants need, out of the indexes that Debian signs.
//
// A chain holds it together: a keyring says who may sign a suite's InRelease;
// that has the SHA-256 of the suite's Packages, and those the SHA-256 of each
// package. Where several suites have a package, the newest version is taken.
// Of alternatives the first that is chosen already or can be had; what only
// recommends or suggests is left out, and so is what the recipe leaves out.
//
// Runs in: the operator's commands, for whoever writes a recipe.
// Reads:   hostile bytes (what a mirror answers); a keyring of this machine.
// Touches: nothing; the caller fetches.
// Fails:   closed: an index that nobody signed, or that is not the one that was
// signed, gives no lock; nor does a need that nothing meets.
// Proved by: TestChoose, TestOpenSuite.
package debian
