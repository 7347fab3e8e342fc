// Package launchtest makes a small, sensible spec for tests that start real
// sandboxes. The product's own is made by package plan.
//
// Runs in: tests.
// Reads:   the host's root folder.
// Touches: nothing.
// Fails:   the test.
// Proved by: the tests of internal/launch.
package launchtest
