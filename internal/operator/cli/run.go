package cli

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/launch"
	"github.com/nemoclaw/nemoclaw/internal/operator/onboard"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/secret"
	"github.com/nemoclaw/nemoclaw/internal/supervisor"
)

// runFlags say how a throw-away sandbox is.
type runFlags struct {
	execFlags
	policy string
	mounts []string
}

func (a *app) runCommand() *cobra.Command {
	var f runFlags
	c := &cobra.Command{
		Use:   "run [--policy FILE] [--mount HOST:SANDBOX[:ro|rw]] -- COMMAND [ARG …]",
		Short: "run one command in a throw-away sandbox; without a policy it reaches nothing",
		Args: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return say.Misused("nemoclaw run -- COMMAND", "run: no command given")
			}
			return nil
		},
		RunE: func(c *cobra.Command, args []string) error { return a.run(c.Context(), args, f) },
	}
	c.Flags().SetInterspersed(false)
	f.register(c)
	c.Flags().StringVar(&f.policy, "policy", "", "a network policy file; without one everything is denied")
	c.Flags().StringArrayVar(&f.mounts, "mount", nil, "hand over HOST:SANDBOX[:ro|rw]; may be given again")
	return c
}

func (a *app) run(ctx context.Context, argv []string, f runFlags) error {
	if err := f.checkEnv(); err != nil {
		return err
	}
	mounts, err := onboard.ParseMounts(f.mounts, a.home.Dir)
	if err != nil {
		return cannotStart(err)
	}
	code, err := supervisor.RunOnce(ctx, supervisor.Once{
		Command:    argv,
		Env:        f.env,
		PolicyFile: f.policy,
		Mounts:     mounts,
		TTY:        f.wantsTTY(),
		Refused:    a.tellRefused,
		Begun:      a.begun,
		Secret:     a.storedSecret,
		Signals:    a.signals,
	})
	if err != nil {
		return notStarted(err)
	}
	return exit(code)
}

// storedSecret is the value of a rule's credential.
func (a *app) storedSecret(name string) ([]byte, error) {
	store, err := secret.Open(a.home.Secrets())
	if err != nil {
		return nil, err
	}
	return store.Get(name)
}

// notStarted gives a command that is not there, or cannot be executed, the
// shell's codes for it; every other failure is ours.
func notStarted(err error) error {
	if !errors.Is(err, launch.ErrNotStarted) {
		return cannotStart(err)
	}
	code := say.CannotRun
	if errors.Is(err, fs.ErrNotExist) {
		code = say.NotFound
	}
	return &say.Fault{Err: err, Code: code}
}

// tellRefused lists at the end what the walls refused.
func (a *app) tellRefused(events []audit.Event) {
	a.voice.News("nemoclaw: refused:")
	for _, e := range events {
		line := fmt.Sprintf("  %s %s", say.Clean(string(e.Kind)), say.Clean(e.Target))
		if e.Program != "" {
			line += " by " + say.Clean(e.Program)
		}
		line += because(say.Clean(e.Why))
		if e.Count > 1 {
			line += fmt.Sprintf(" (%d×)", e.Count)
		}
		a.voice.News("%s", line)
	}
}
