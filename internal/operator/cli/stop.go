package cli

import (
	"github.com/spf13/cobra"
)

func (t target) stopCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "stop",
		Short: "stop it cleanly; `start --all` leaves it down",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := t.sandbox()
			if err != nil {
				return err
			}
			if err := t.app.driver.Stop(c.Context(), s, false); err != nil {
				return err
			}
			t.app.voice.Result("%s stopped", s.Name())
			return nil
		},
	}
}

func (t target) restartCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "restart",
		Short: "stop and start it, and confirm that it is healthy",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, err := t.sandbox()
			if err != nil {
				return err
			}
			if _, err := s.Load(); err != nil {
				return err // what would not start again is not stopped
			}
			if err := t.app.driver.Stop(c.Context(), s, true); err != nil {
				return err
			}
			return t.app.start(c.Context(), s)
		},
	}
}
