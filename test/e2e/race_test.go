//go:build race

package e2e

// binary was made by scripts/race.sh.
const binary = "bin/race/nemoclaw"

// raced says whether the race detector is in all that is run.
const raced = true
