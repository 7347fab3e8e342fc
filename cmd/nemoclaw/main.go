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
