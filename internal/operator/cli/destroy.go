package cli

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
)

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
			if err := t.app.driver.Remove(c.Context(), s); err != nil {
				return err
			}
			t.app.voice.Result("%s destroyed", s.Name())
			return nil
		},
	}
	c.Flags().BoolVarP(&yes, "yes", "y", false, "do not ask")
	return c
}
