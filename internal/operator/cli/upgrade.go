package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/operator/change"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

func (t target) upgradeCommand() *cobra.Command {
	var o change.Options
	var dry bool
	c := &cobra.Command{
		Use:   "upgrade [--blueprint V]",
		Short: "put another version of its blueprint in force; the workspace and the policies stay",
		Long: `upgrade builds a new generation beside the one in force, starts it once on a copy
of the workspace, and switches only when all walls were proved and the agent is
healthy. Until then the old one runs; if anything fails it goes on. A snapshot of
the workspace is kept, and nemoclaw NAME rollback goes back within a second.`,
		Args: noArgs,
		RunE: func(c *cobra.Command, _ []string) error { return t.upgrade(c.Context(), o, dry) },
	}
	c.Flags().StringVar(&o.Blueprint, "blueprint", "", "NAME@VERSION or VERSION; the newest where it is left out")
	c.Flags().BoolVar(&dry, "dry-run", false, "only say what would be done, with sizes")
	c.Flags().BoolVar(&o.Downgrade, "downgrade", false, "also to an older version, or other bytes of the same one")
	c.Flags().BoolVar(&o.AcceptPolicy, "accept-policy", false, "allow what the new version's default policy newly allows")
	return c
}

func (t target) upgrade(ctx context.Context, o change.Options, dry bool) error {
	s, err := t.sandbox()
	if err != nil {
		return err
	}
	ch, err := t.app.changer(s)
	if err != nil {
		return err
	}
	p, err := ch.Upgrade(ctx, s, o)
	if same := (*change.Same)(nil); errors.As(err, &same) {
		t.app.voice.News("%s is v%s already; nothing was changed.", s.Name(), say.Clean(same.Version))
		return nil
	}
	if err != nil {
		return err
	}
	if dry {
		return t.app.printPlan(p)
	}
	t.app.printReleases(p)
	t.app.printPolicyMerge(p)
	t.app.printSeeds(p.Seeds)
	return t.app.apply(ctx, ch, s, p)
}
