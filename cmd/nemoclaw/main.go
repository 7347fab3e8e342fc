// Command nemoclaw keeps an AI agent behind four walls. The name that it is
// called by chooses the door: openshell opens its own, any other name is
// nemoclaw's.
package main

import (
	"os"
	"path/filepath"

	"github.com/nemoclaw/nemoclaw/internal/operator/cli"
)

func main() {
	if filepath.Base(os.Args[0]) == "openshell" {
		os.Exit(cli.Openshell(os.Args))
	}
	os.Exit(cli.Run(os.Args))
}
