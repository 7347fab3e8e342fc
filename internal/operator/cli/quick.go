package cli

import (
	"slices"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/state"
)

// quick is the short road of an exec that package early has not begun, for one
// that wants a terminal or a folder. Whoever asks for help goes the long way.
func (a *app) quick(args []string) (c *cobra.Command, rest []string, ok bool) {
	if len(args) < 2 || args[1] != "exec" || slices.Contains(args, "--help") || slices.Contains(args, "-h") {
		return nil, nil, false
	}
	name, err := state.ParseName(args[0])
	if err != nil || !a.home.Sandbox(name).Exists() {
		return nil, nil, false
	}
	return target{a, name}.execCommand(), args[2:], true
}
