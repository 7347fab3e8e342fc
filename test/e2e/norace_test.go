//go:build !race

package e2e

// binary was made by make build.
const binary = "bin/nemoclaw"

// raced says whether the race detector is in all that is run.
const raced = false
