package cli

import (
	"context"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/nemoclaw/nemoclaw/internal/driver"
	"github.com/nemoclaw/nemoclaw/internal/driver/native"
	"github.com/nemoclaw/nemoclaw/internal/host"
	"github.com/nemoclaw/nemoclaw/internal/operator/quick"
	"github.com/nemoclaw/nemoclaw/internal/operator/say"
	"github.com/nemoclaw/nemoclaw/internal/state"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/clerk"
	"github.com/nemoclaw/nemoclaw/internal/supervisor/notify"
)

// app is what every command works with.
type app struct {
	voice  *say.Voice
	home   state.Home
	driver driver.Driver
}

// Run does what args say (args[0] is the program's name) and returns the exit
// code.
func Run(args []string) int {
	voice := say.Standard()
	home, err := state.Find()
	if err != nil {
		return say.Fail(voice.Err, err)
	}
	a := &app{voice: voice, home: home, driver: native.Driver{Missing: missing}}
	if len(args) > 1 && args[1] == supervisorWord {
		return say.Fail(voice.Err, a.supervise(args[2:]))
	}
	if len(args) > 1 && args[1] == clerk.Word {
		return say.Fail(voice.Err, a.clerk(args[2:]))
	}
	if len(args) > 1 && args[1] == notify.Word {
		return say.Fail(voice.Err, a.notify(args[2:]))
	}
	if c, rest, ok := a.quick(args[1:]); ok {
		return say.Fail(voice.Err, quick.Alone(c, rest, args[1]))
	}
	return a.runTree(args[1:])
}

// runTree is the road of everything that need not be quick.
func (a *app) runTree(args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM, syscall.SIGHUP)
	defer stop()
	root, err := a.tree()
	if err != nil {
		return say.Fail(a.voice.Err, err)
	}
	if err := a.known(root, args); err != nil {
		return say.Fail(a.voice.Err, err)
	}
	root.SetArgs(args)
	return say.Fail(a.voice.Err, quick.Usage(root.ExecuteContext(ctx)))
}

// known refuses a first word that is neither a command nor a sandbox, before
// its flags are looked at.
func (a *app) known(root *cobra.Command, args []string) error {
	if len(args) == 0 || strings.HasPrefix(args[0], "-") || strings.HasPrefix(args[0], "__") {
		return nil
	}
	root.InitDefaultHelpCmd()
	root.InitDefaultCompletionCmd(args...)
	for _, c := range root.Commands() {
		if c.Name() == args[0] || c.HasAlias(args[0]) {
			return nil
		}
	}
	hint := "nemoclaw --help"
	if near := root.SuggestionsFor(args[0]); len(near) > 0 {
		hint = "did you mean " + strings.Join(near, " or ") + "?"
	}
	return say.Misused(hint, "no sandbox or command named %q", args[0])
}

// missing is the first thing that a sandbox cannot do without and this machine
// does not have.
func missing() error {
	for _, l := range host.Look().Missing() {
		if !l.Advice {
			return &say.Fault{Err: l, Help: l.Hint(), Code: say.Refused}
		}
	}
	return nil
}
