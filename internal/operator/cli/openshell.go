package cli

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/driver/native"
	"github.com/nemoclaw/nemoclaw/internal/operator/quick"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/operator/term"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/version"
)

// Openshell is the door of the program's other name. It does what args say
// (args[0] is the program's name) and returns the exit code.
func Openshell(args []string) int {
	voice := say.Standard()
	home, err := state.Find()
	if err != nil {
		return say.Fail(voice.Err, err)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	root := &cobra.Command{
		Use:           "openshell",
		Short:         "The sandboxes in a terminal: what they ask for and what they do",
		Version:       version.String,
		Args:          noArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE:          func(c *cobra.Command, _ []string) error { return c.Help() },
	}
	root.SetVersionTemplate("openshell {{.Version}}\n")
	root.SetOut(voice.Out)
	root.SetErr(voice.Err)
	root.SetFlagErrorFunc(func(c *cobra.Command, err error) error {
		return say.Misused(c.CommandPath()+" --help", "%s: %w", c.CommandPath(), err)
	})
	root.AddCommand((&app{voice: voice, home: home, driver: native.Driver{Missing: missing}}).termCommand())
	suggesting(root)
	root.SetArgs(args[1:])
	return say.Fail(voice.Err, quick.Usage(root.ExecuteContext(ctx)))
}

func (a *app) termCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "term [NAME]",
		Short: "see blocked requests as they happen, and answer them",
		Args:  cobra.MaximumNArgs(1),
		RunE: func(c *cobra.Command, args []string) error {
			o := term.Options{Home: a.home, Driver: a.driver, Voice: a.voice}
			if len(args) == 1 {
				n, err := state.ParseName(args[0])
				if err != nil {
					return err
				}
				o.Only = n
			}
			return term.Run(c.Context(), o)
		},
		ValidArgsFunction: a.completeNames,
	}
}

func (a *app) completeNames(_ *cobra.Command, args []string, _ string) (names []string, _ cobra.ShellCompDirective) {
	all, err := a.home.List()
	if err != nil || len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	for _, n := range all {
		names = append(names, string(n))
	}
	return names, cobra.ShellCompDirectiveNoFileComp
}
