//go:build !race

package e2e

// binary was made by make build.
const binary = "bin/nemoclaw"
