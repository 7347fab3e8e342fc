package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/state"
)

func (t target) rebuildCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "rebuild",
		Short: "build it anew from sandbox.yaml as it is now; the workspace stays",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := t.sandbox()
			if err != nil {
				return err
			}
			return t.app.rebuild(c.Context(), s)
		},
	}
}

// rebuild locks sandbox.yaml as it is into a new generation and starts it. The
// old generation stays, and comes back where the new one does not come up.
func (a *app) rebuild(ctx context.Context, s state.Sandbox) error {
	set, err := s.LoadEdited()
	if err != nil {
		return err
	}
	if err := a.checkSettings(set); err != nil {
		return fmt.Errorf("rebuild %s: %w", s.Name(), err)
	}
	if err := a.ensure(ctx, set.Blueprint); err != nil {
		return err
	}
	old, err := s.ActiveGeneration()
	if err != nil {
		return err
	}
	if err := a.driver.Stop(ctx, s, s.Wanted()); err != nil {
		return err
	}
	next, err := locked(s, func() (state.Generation, error) {
		g, err := s.NewGeneration()
		if err != nil {
			return g, err
		}
		return g, s.Activate(g)
	})
	if err != nil {
		return err
	}
	err = a.driver.Start(ctx, s, a.step(s))
	if err == nil {
		a.voice.News("%s: generation %d", s.Name(), next.Number)
		return a.standing(ctx, s)
	}
	return a.fallBack(s, old, err)
}

// fallBack puts the old generation in force again and starts it. The edit that
// did not come up is kept beside sandbox.yaml, in the new generation's folder.
func (a *app) fallBack(s state.Sandbox, old state.Generation, why error) error {
	_, err := locked(s, func() (state.Generation, error) { return old, s.Activate(old) })
	if err == nil {
		err = a.driver.Start(context.Background(), s, a.step(s))
	}
	if err != nil {
		return errors.Join(why, fmt.Errorf("go back to generation %d: %w", old.Number, err))
	}
	a.voice.News("%s: the new one did not come up; generation %d runs again", s.Name(), old.Number)
	return why
}

// locked does act while nobody else keeps the sandbox.
func locked(s state.Sandbox, act func() (state.Generation, error)) (state.Generation, error) {
	unlock, err := s.Lock()
	if err != nil {
		return state.Generation{}, err
	}
	defer unlock()
	return act()
}
