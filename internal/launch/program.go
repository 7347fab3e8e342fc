package launch

import "github.com/nemoclaw/nemoclaw/internal/launch/program"

// Program is a program that runs inside, in a sealed memory file.
type Program = program.Program

// Load begins to make init's, and returns at once.
func Load() *Program { return program.Load() }

// LoadTries begins to make the one of cmd/tries, and returns at once.
func LoadTries() *Program { return program.LoadTries() }
