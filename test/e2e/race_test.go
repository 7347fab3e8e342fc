//go:build race

package e2e

// binary was made by scripts/race.sh.
const binary = "bin/race/nemoclaw"
