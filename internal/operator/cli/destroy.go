package cli

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

// changing keeps others from changing s, and says so where it must wait for one.
func (a *app) changing(ctx context.Context, s state.Sandbox) (unlock func(), err error) {
	return s.Changing(ctx, func() { a.voice.News("%s: waiting for a change of it", s.Name()) })
}

// remove removes s when nobody changes it: who does would go on with whatever has
// its name by then.
func (a *app) remove(ctx context.Context, s state.Sandbox) error {
	unlock, err := a.changing(ctx, s)
	if err != nil && !errors.As(err, new(*state.NotFound)) { // one without generations is broken, and goes
		return err
	}
	if err == nil {
		defer unlock()
	}
	return a.driver.Remove(ctx, s)
}

func (t target) destroyCommand() *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "destroy",
		Short: "stop it and delete its files, its workspace and its book",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := t.sandbox()
			if err != nil {
				return err
			}
			if !s.Exists() {
				return &state.NotFound{Name: s.Name()}
			}
			if !yes {
				if yes, err = t.app.voice.Confirm(fmt.Sprintf("Destroy %s with everything in %s?", s.Name(), s.Dir()), "--yes"); err != nil {
					return err
				}
			}
			if !yes {
				t.app.voice.News("Nothing was done.")
				return say.Exit(say.Failed)
			}
			if err := t.app.remove(c.Context(), s); err != nil {
				return err
			}
			t.app.voice.Result("%s destroyed", s.Name())
			return nil
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}
