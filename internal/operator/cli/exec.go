package cli

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/nemoclaw/nemoclaw/internal/confine/spec"
	"github.com/nemoclaw/nemoclaw/internal/control"
	"github.com/nemoclaw/nemoclaw/internal/control/hail"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/session"
)

// execFlags say how a command runs.
type execFlags struct {
	tty, noTTY bool
	env        []string
	dir        string
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
	f.register(c)
	c.Flags().StringVarP(&f.dir, "dir", "w", "", "in this folder inside (default /sandbox)")
	return c
}

func (f *execFlags) register(c *cobra.Command) {
	c.Flags().BoolVarP(&f.tty, "tty", "t", false, "with a terminal (default: when stdin and stdout are one)")
	c.Flags().BoolVarP(&f.noTTY, "no-tty", "T", false, "without a terminal")
	c.Flags().BoolP("interactive", "i", true, "pass stdin on (always so)")
	c.Flags().StringArrayVarP(&f.env, "env", "e", nil, "set KEY=VALUE inside; may be given again")
	c.MarkFlagsMutuallyExclusive("tty", "no-tty")
}

// wantsTTY says whether the command gets a terminal.
func (f *execFlags) wantsTTY() bool {
	if f.tty || f.noTTY {
		return f.tty
	}
	return term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd()))
}

func (f *execFlags) checkEnv() error {
	for _, e := range f.env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" || strings.ContainsRune(e, 0) {
			return say.Misused("-e KEY=VALUE", "exec: -e %q: want KEY=VALUE", e)
		}
	}
	return nil
}

func (t target) exec(ctx context.Context, argv []string, f execFlags) error {
	if err := f.checkEnv(); err != nil {
		return err
	}
	_, client, err := t.dial(ctx)
	if err != nil {
		return cannotStart(err)
	}
	return ended(execOver(ctx, client, spec.Command{Argv: argv, Env: f.env, Dir: f.dir}, f.wantsTTY()))
}

func ended(code int, err error) error {
	if err != nil {
		return cannotStart(err)
	}
	return exit(code)
}

// execBegun is the rest of an exec that package early has asked for on fd.
func execBegun(fd int) error {
	got := signals()
	conn, err := control.Answered(fd)
	if err != nil {
		return cannotStart(err)
	}
	return ended(session.ExecHere(context.Background(), conn, got, os.Stdin, os.Stdout, os.Stderr))
}

// signals are those that mean the command from now on.
func signals() <-chan os.Signal {
	got := make(chan os.Signal, 16)
	signal.Notify(got, session.Passed...)
	return got
}

// execOver takes the command's own streams where it can have them, and speaks
// SSH where they are a terminal's or cannot be carried this far.
func execOver(ctx context.Context, client *control.Client, c spec.Command, tty bool) (int, error) {
	if !tty {
		conn, err := client.Exec(ctx, hail.Ask(c.Dir, c.Env, c.Argv))
		if err == nil {
			return session.ExecHere(ctx, conn, signals(), os.Stdin, os.Stdout, os.Stderr)
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

// exit passes a program's exit code on.
func exit(code int) error {
	if code == 0 {
		return nil
	}
	return say.Exit(code)
}

// cannotStart gives our own failures the codes that no program's answer can be
// taken for; one that has a code already, like 127, keeps it.
func cannotStart(err error) error {
	if c := say.Coder(nil); errors.As(err, &c) && c.ExitCode() != say.Failed {
		return err
	}
	return &say.Fault{Err: err, Help: hintOf(err), Code: say.CannotStart}
}
