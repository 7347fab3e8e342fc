package cli

import (
	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/operator/quick"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/session"
)

func (t target) connectCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "connect",
		Short: "open a shell inside",
		Args:  noArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			s, client, err := t.dial(c.Context())
			if err != nil {
				return err
			}
			if !t.app.voice.InTTY || !t.app.voice.OutTTY {
				return say.Misused("nemoclaw "+string(s.Name())+" exec -- COMMAND", "connect: stdin and stdout must be a terminal")
			}
			conn, err := client.SSH(c.Context())
			if err != nil {
				return err
			}
			defer conn.Close()
			code, err := session.Shell(c.Context(), conn, session.Options{})
			if err != nil {
				return err
			}
			return quick.Exit(code)
		},
	}
}
