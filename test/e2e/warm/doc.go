// Command warm fills a store with built-in blueprints, those that are made for
// this machine, once, from the registry that the machine's own configuration
// names. The end-to-end tests take copies of it, since nothing outside is
// reachable where they run.
//
//	go run ./test/e2e/warm .cache/blueprints openclaw shell
//
// Runs in: `make test`, before the tests.
// Reads:   what the registry answers, checked by digest.
// Touches: the given folder alone.
// Fails:   with exit code 1 and the cause.
// Proved by: the tests that use what it made.
package main
