//go:build race

package limit

import (
	"os"
	"path/filepath"
	"strings"
)

// reports is where the race detector writes what it finds (its option log_path).
// This file is in no program that anybody installs: only go build -race has it.
func reports() []Path {
	for _, option := range strings.Fields(os.Getenv("GORACE")) {
		if file, ok := strings.CutPrefix(option, "log_path="); ok {
			return []Path{{Dir: filepath.Dir(file), Access: Write, Optional: true}}
		}
	}
	return nil
}
