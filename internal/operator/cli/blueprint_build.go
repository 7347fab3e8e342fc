package cli

import (
	"context"
	"os"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
)

func (a *app) blueprintBuildCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "build DIR",
		Short: "make a blueprint of the recipe in DIR; prints its digest last",
		Args:  words("DIR"),
		RunE:  func(c *cobra.Command, args []string) error { return a.blueprintBuild(c.Context(), args[0]) },
	}
}

func (a *app) blueprintBuild(ctx context.Context, dir string) error {
	made, err := blueprint.Build(os.DirFS(dir))
	if err != nil {
		return err
	}
	blueprints, err := store.Open(a.home.Blueprints())
	if err != nil {
		return err
	}
	if err := blueprints.Add(ctx, made, store.Any); err != nil {
		return err
	}
	a.voice.News("%s is here: nemoclaw onboard --blueprint %s", say.Clean(made.Manifest.Ref().String()), say.Clean(made.Manifest.Ref().String()))
	a.voice.Result("%s", made.Digest)
	return nil
}
