//go:build race

package child

import "os"

// detector says where the race detector of a child writes what it finds. This file
// is in no program that anybody installs: only go build -race has it.
func detector() []string { return []string{"GORACE=" + os.Getenv("GORACE")} }
