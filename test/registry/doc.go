// Package registry serves what programs fetch while they work: npm packages,
// Python wheels, Go modules and git repositories, each as its own client asks for
// them. What it serves was fetched before (install.sh), so that the same work can
// be done again and again, inside a sandbox and outside, without the network.
//
// Runs in: test binaries and the benchmarks.
// Reads:   .cache/registry, the machine's Go module cache, and repositories that
// it is given.
// Touches: nothing.
// Fails:   with 404 for what it has not; a constructor says what is missing.
// Proved by: test/e2e.TestWork, which installs and builds through it.
package registry
