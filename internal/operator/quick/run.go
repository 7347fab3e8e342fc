package quick

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/audit"
	"github.com/nemoclaw/nemoclaw/internal/launch"
	"github.com/nemoclaw/nemoclaw/internal/operator/mount"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/secret"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor"
)

// run is what a `run` works with.
type run struct {
	voice *say.Voice
	home  state.Home
	begun Begun
}

// runFlags say how a throw-away sandbox is.
type runFlags struct {
	Flags
	policy string
	mounts []string
}

// RunCommand is `run` as a command of a tree. What was not begun before, it
// begins.
func RunCommand(voice *say.Voice, home state.Home, begun Begun) *cobra.Command {
	a := &run{voice: voice, home: home, begun: begun}
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
		RunE: func(c *cobra.Command, args []string) error { return a.once(c.Context(), args, f) },
	}
	c.Flags().SetInterspersed(false)
	f.Register(c)
	c.Flags().StringVar(&f.policy, "policy", "", "a network policy file; without one everything is denied")
	c.Flags().StringArrayVar(&f.mounts, "mount", nil, "hand over HOST:SANDBOX[:ro|rw]; may be given again")
	return c
}

func (a *run) once(ctx context.Context, argv []string, f runFlags) error {
	if err := f.CheckEnv(); err != nil {
		return err
	}
	mounts, err := mount.Parse(f.mounts, a.home.Dir)
	if err != nil {
		return CannotStart(err)
	}
	code, err := supervisor.RunOnce(ctx, supervisor.Once{
		Command:    argv,
		Env:        f.Env,
		PolicyFile: f.policy,
		Mounts:     mounts,
		TTY:        f.WantsTTY(),
		Refused:    a.tellRefused,
		Begun:      a.begun.Init,
		Ahead:      a.begun.Sandbox,
		Secret:     a.storedSecret,
		Signals:    a.begun.Signals,
	})
	if err != nil {
		return notStarted(err)
	}
	return Exit(code)
}

// storedSecret is the value of a rule's credential.
func (a *run) storedSecret(name string) ([]byte, error) {
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
		return CannotStart(err)
	}
	code := say.CannotRun
	if errors.Is(err, fs.ErrNotExist) {
		code = say.NotFound
	}
	return &say.Fault{Err: err, Code: code}
}

// tellRefused lists at the end what the walls refused.
func (a *run) tellRefused(events []audit.Event) {
	a.voice.News("nemoclaw: refused:")
	for _, e := range events {
		line := fmt.Sprintf("  %s %s", say.Clean(string(e.Kind)), say.Clean(e.Target))
		if e.Program != "" {
			line += " by " + say.Clean(e.Program)
		}
		if e.Why != "" {
			line += ": " + say.Clean(e.Why)
		}
		if e.Count > 1 {
			line += fmt.Sprintf(" (%d×)", e.Count)
		}
		a.voice.News("%s", line)
	}
}
