package cli

import (
	"context"
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/control/hail"
	"github.com/nemoclaw/nemoclaw/internal/operator/quick"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/session"
)

// execFlags say how a command runs in a sandbox that runs.
type execFlags struct {
	quick.Flags
	dir string
}

func (t target) execCommand() *cobra.Command {
	var f execFlags
	c := &cobra.Command{
		Use:   "exec [flags] -- COMMAND [ARG …]",
		Short: "run one command inside; its exit code is passed on",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return say.Misused("nemoclaw NAME exec -- COMMAND", "exec: no command given")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return t.exec(c.Context(), args, f) },
	}
	c.Flags().SetInterspersed(false) // the command's own flags are its own
	f.Register(c)
	c.Flags().StringVarP(&f.dir, "dir", "w", "", "in this folder inside (default /sandbox)")
	return c
}

func (t target) exec(ctx context.Context, argv []string, f execFlags) error {
	if err := f.CheckEnv(); err != nil {
		return err
	}
	_, client, err := t.dial(ctx)
	if err != nil {
		return quick.CannotStart(err)
	}
	return quick.Ended(execOver(ctx, client, spec.Command{Argv: argv, Env: f.Env, Dir: f.dir}, f.WantsTTY()))
}

// execOver takes the command's own streams where it can have them, and speaks
// SSH where they are a terminal's or cannot be carried this far.
func execOver(ctx context.Context, client *control.Client, c spec.Command, tty bool) (int, error) {
	if !tty {
		conn, err := client.Exec(ctx, hail.Ask(c.Dir, c.Env, c.Argv))
		if err == nil {
			return session.ExecHere(ctx, conn, quick.Signals(), os.Stdin, os.Stdout, os.Stderr)
		}
		if !errors.Is(err, errors.ErrUnsupported) {
			return 0, err
		}
	}
	conn, err := client.SSH(ctx)
	if err != nil {
		return 0, err
	}
	return session.Exec(ctx, conn, c, os.Stdin, os.Stdout, os.Stderr, tty)
}
