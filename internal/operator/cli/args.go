package cli

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// noArgs refuses words behind a command, and suggests a subcommand.
func noArgs(c *cobra.Command, args []string) error {
	if len(args) == 0 {
		return nil
	}
	hint := c.CommandPath() + " --help"
	if near := c.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + c.CommandPath() + " " + strings.Join(near, " or ") + "?"
	}
	return say.Misused(hint, "%s: unexpected word %q", c.CommandPath(), args[0])
}

// words wants exactly as many arguments as there are names for them.
func words(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return say.Misused(fmt.Sprintf("%s %s", c.CommandPath(), strings.Join(names, " ")),
			"%s: %d words given, want %d", c.CommandPath(), len(args), len(names))
	}
}

// someWords wants at least one.
func someWords(name string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		if len(args) > 0 {
			return nil
		}
		return say.Misused(c.CommandPath()+" "+name, "%s: what?", c.CommandPath())
	}
}

func joined(names []state.Name) string {
	all := make([]string, len(names))
	for i, n := range names {
		all[i] = string(n)
	}
	return strings.Join(all, ", ")
}
