// Command nemoclaw keeps an AI agent behind four walls. The name that it is
// called by chooses the door: openshell opens its own, any other name is
// nemoclaw's.
package main

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/nemoclaw/nemoclaw/internal/operator/cli"
)

func main() {
	if filepath.Base(os.Args[0]) == "openshell" {
		os.Exit(openshell(os.Args[1:]))
	}
	os.Exit(cli.Run(os.Args))
}

// openshell is the terminal view's door.
func openshell([]string) int {
	fmt.Fprintln(os.Stderr, "error: openshell: the terminal view is not part of this version")
	fmt.Fprintln(os.Stderr, "→ nemoclaw NAME approvals shows what a sandbox asks for, and answers it")
	return 1
}
