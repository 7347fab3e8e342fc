//go:build !race

package child

// detector is for a build with the race detector alone.
func detector() []string { return nil }
