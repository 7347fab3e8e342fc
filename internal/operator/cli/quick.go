package cli

import (
	"context"
	"slices"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/early"
	"github.com/nemoclaw/nemoclaw/internal/launch"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// quick is the short road of exec and run, which scripts call many times a
// second: the one command alone, without the tree of all sandboxes, their
// verbs and a goroutine that waits for signals. Whoever asks for help goes the
// long way.
func (a *app) quick(args []string) (c *cobra.Command, rest []string, ok bool) {
	switch {
	case slices.Contains(args, "--help") || slices.Contains(args, "-h"):
		return nil, nil, false
	case len(args) > 0 && args[0] == "run":
		// The sandbox was born before its command line was read. One that turns
		// out wrong ends this process, and so what was begun.
		a.signals = signals()
		if c := early.Init(); c != nil {
			a.begun = launch.Take(c)
		}
		return a.runCommand(), args[1:], true
	case len(args) > 1 && args[1] == "exec":
		name, err := state.ParseName(args[0])
		if err != nil || !a.home.Sandbox(name).Exists() {
			return nil, nil, false
		}
		return target{a, name}.execCommand(), args[2:], true
	}
	return nil, nil, false
}

// alone runs one command outside the tree.
func (a *app) alone(c *cobra.Command, args []string) error {
	c.SilenceErrors, c.SilenceUsage = true, true
	c.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return say.Misused("nemoclaw --help", "%s: %w", c.Name(), err)
	})
	c.SetArgs(args)
	return usage(c.ExecuteContext(context.Background()))
}
