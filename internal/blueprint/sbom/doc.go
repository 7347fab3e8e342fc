// Package sbom writes the bill of materials of a blueprint. It stands apart from
// package blueprint so that a `run`, which needs that, does not initialise the
// library.
//
// Runs in: the command line.
// Reads:   a checked blueprint.
// Touches: nothing.
// Fails:   with an error that names the blueprint.
// Proved by: TestOf.
package sbom
