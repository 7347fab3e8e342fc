package cli

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/blueprint"
	"github.com/nemoclaw/nemoclaw/internal/blueprint/store"
	"github.com/nemoclaw/nemoclaw/internal/operator/onboard"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor"
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
	root, err := os.OpenRoot(dir) // a recipe that leads out of its folder is refused
	if err != nil {
		return fmt.Errorf("build: %w", err)
	}
	defer root.Close()
	commands, err := blueprint.Commands(root.FS())
	if err != nil {
		return err
	}
	blueprints, err := store.Open(a.home.Blueprints())
	if err != nil {
		return err
	}
	var tree fs.FS
	if len(commands) > 0 {
		under, err := blueprint.BuildUnder(root.FS())
		if err != nil {
			return err
		}
		base, err := onboard.EnsureBase(ctx, a.voice, blueprints, under)
		if err != nil {
			return err
		}
		made, done, err := a.runRecipe(ctx, dir, base, commands)
		if err != nil {
			return err
		}
		defer done()
		tree = made
	}
	made, err := blueprint.BuildWith(root.FS(), tree)
	if err != nil {
		return err
	}
	if err := blueprints.Add(ctx, made, store.Any); err != nil {
		return err
	}
	ref := say.Clean(made.Manifest.Ref().String())
	a.voice.News("%s is here: nemoclaw onboard --blueprint %s", ref, ref)
	a.voice.Result("%s", made.Digest)
	return nil
}

// runRecipe runs a recipe's commands one after the other, each in a throw-away
// sandbox that reaches nothing: the recipe's folder is at /sandbox/recipe,
// read-only, and what they leave in /sandbox/content goes into the blueprint. They
// stand on the recipe's own base.
func (a *app) runRecipe(ctx context.Context, dir, base string, commands [][]string) (fs.FS, func(), error) {
	content, err := os.MkdirTemp("", "nemoclaw-build-")
	if err != nil {
		return nil, nil, fmt.Errorf("build: %w", err)
	}
	drop := func() { _ = os.RemoveAll(content) }
	recipe, err := filepath.Abs(dir)
	if err != nil {
		drop()
		return nil, nil, fmt.Errorf("build: %w", err)
	}
	for _, argv := range commands {
		code, err := supervisor.RunOnce(ctx, supervisor.Once{
			Command: argv,
			Base:    base,
			Env:     []string{"SOURCE_DATE_EPOCH=0"}, // so that tools write no time of their own
			Mounts: []state.Mount{
				{Host: recipe, Sandbox: "/sandbox/recipe", ReadOnly: true},
				{Host: content, Sandbox: "/sandbox/content"},
			},
		})
		if err == nil && code != 0 {
			err = fmt.Errorf("exit code %d", code)
		}
		if err != nil {
			drop()
			return nil, nil, fmt.Errorf("build: run %s: %w", strings.Join(argv, " "), err)
		}
	}
	root, err := os.OpenRoot(content)
	if err != nil {
		drop()
		return nil, nil, fmt.Errorf("build: %w", err)
	}
	return root.FS(), func() { root.Close(); drop() }, nil
}
