package quick

import (
	"errors"
	"os"
	"os/signal"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/session"
)

// Flags say how a command runs.
type Flags struct {
	tty, noTTY bool
	Env        []string // "KEY=VALUE"
}

// Register makes them c's.
func (f *Flags) Register(c *cobra.Command) {
	c.Flags().BoolVarP(&f.tty, "tty", "t", false, "with a terminal (default: when stdin and stdout are one)")
	c.Flags().BoolVarP(&f.noTTY, "no-tty", "T", false, "without a terminal")
	c.Flags().BoolP("interactive", "i", true, "pass stdin on (always so)")
	c.Flags().StringArrayVarP(&f.Env, "env", "e", nil, "set KEY=VALUE inside; may be given again")
	c.MarkFlagsMutuallyExclusive("tty", "no-tty")
}

// WantsTTY says whether the command gets a terminal.
func (f *Flags) WantsTTY() bool {
	if f.tty || f.noTTY {
		return f.tty
	}
	return term.IsTerminal(int(os.Stdin.Fd())) && term.IsTerminal(int(os.Stdout.Fd()))
}

// CheckEnv refuses what is no KEY=VALUE.
func (f *Flags) CheckEnv() error {
	for _, e := range f.Env {
		if name, _, ok := strings.Cut(e, "="); !ok || name == "" || strings.ContainsRune(e, 0) {
			return say.Misused("-e KEY=VALUE", "exec: -e %q: want KEY=VALUE", e)
		}
	}
	return nil
}

// Ended is the outcome of a command that ran, or did not.
func Ended(code int, err error) error {
	if err != nil {
		return CannotStart(err)
	}
	return Exit(code)
}

// Signals are those that mean the command from now on.
func Signals() <-chan os.Signal {
	got := make(chan os.Signal, 16)
	signal.Notify(got, session.Passed...)
	return got
}

// Exit passes a program's exit code on.
func Exit(code int) error {
	if code == 0 {
		return nil
	}
	return say.Exit(code)
}

// CannotStart gives our own failures the codes that no program's answer can be
// taken for; one that has a code already, like 127, keeps it.
func CannotStart(err error) error {
	if c := say.Coder(nil); errors.As(err, &c) && c.ExitCode() != say.Failed {
		return err
	}
	return &say.Fault{Err: err, Help: hintOf(err), Code: say.CannotStart}
}

func hintOf(err error) string {
	if h := say.Hinter(nil); errors.As(err, &h) {
		return h.Hint()
	}
	return ""
}

// Usage gives cobra's own complaints their exit code.
func Usage(err error) error {
	if err == nil || errors.As(err, new(say.Coder)) {
		return err
	}
	for _, start := range []string{"unknown command", "required flag", "invalid argument", "if any flags in the group", "at least one of the flags"} {
		if strings.HasPrefix(err.Error(), start) {
			return say.Misused("", "%w", err)
		}
	}
	return err
}
